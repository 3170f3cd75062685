package testkit

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/jackc/pgx/v5"
)

// patience is how long a helper waits for one thing (K4). Nothing that works takes as long.
const patience = 2 * time.Minute

func env(t testing.TB, name string) string {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		t.Skip(name + " is not set (make test sets it)")
	}
	return v
}

// Name returns a new name that starts with prefix: lower-case letters and digits, fit for topics, databases, buckets.
func Name(prefix string) string {
	return prefix + "-" + strings.ToLower(rand.Text()[:16])
}

// Soak reports whether tests should take long: more rounds, more events.
func Soak() bool { return os.Getenv("TIDEMARK_TEST_SOAK") != "" }

// Rounds returns normal, or soak under `make soak`.
func Rounds(normal, soak int) int {
	if Soak() {
		return soak
	}
	return normal
}

// Kafka returns the bootstrap address of a real Kafka without TLS, from TIDEMARK_TEST_KAFKA.
func Kafka(t testing.TB) string {
	t.Helper()
	return env(t, "TIDEMARK_TEST_KAFKA")
}

// SecureKafka is the same broker behind SASL (PLAIN, SCRAM-SHA-256, SCRAM-SHA-512).
type SecureKafka struct {
	TLS       string // bootstrap address of the listener with TLS
	Plaintext string // of the one without
	CA        string // path of the PEM file that signed the broker's certificate
	User      string
	Password  string
}

// KafkaSASL returns the listeners of the real Kafka that ask for a password.
func KafkaSASL(t testing.TB) SecureKafka {
	t.Helper()
	return SecureKafka{
		TLS:       env(t, "TIDEMARK_TEST_KAFKA_SASL_SSL"),
		Plaintext: env(t, "TIDEMARK_TEST_KAFKA_SASL_PLAINTEXT"),
		CA:        env(t, "TIDEMARK_TEST_KAFKA_CA"),
		User:      env(t, "TIDEMARK_TEST_KAFKA_USER"),
		Password:  env(t, "TIDEMARK_TEST_KAFKA_PASSWORD"),
	}
}

// Python returns an interpreter that has datasketches, duckdb, pyarrow and pandas, from TIDEMARK_PYTHON.
func Python(t testing.TB) string {
	t.Helper()
	return env(t, "TIDEMARK_PYTHON")
}

// KylinPython returns an interpreter that has kylinpy and the SQLAlchemy that its dialect works with.
func KylinPython(t testing.TB) string {
	t.Helper()
	return env(t, "TIDEMARK_TEST_KYLIN_PYTHON")
}

// PGPython returns an interpreter that has psycopg and SQLAlchemy.
func PGPython(t testing.TB) string {
	t.Helper()
	return env(t, "TIDEMARK_TEST_PG_PYTHON")
}

// JDBC returns the class path of the JDBC drivers of PostgreSQL and of Apache Kylin, for java -cp.
func JDBC(t testing.TB) string {
	t.Helper()
	return env(t, "TIDEMARK_TEST_JDBC")
}

// Postgres returns the DSN of a new, empty database on the server of TIDEMARK_TEST_POSTGRES.
func Postgres(t testing.TB) string {
	t.Helper()
	server := env(t, "TIDEMARK_TEST_POSTGRES")
	u, err := url.Parse(server)
	if err != nil {
		t.Fatalf("TIDEMARK_TEST_POSTGRES: %v", err)
	}
	name := strings.ReplaceAll(Name("tm"), "-", "_")
	postgres(t, server, "create database "+name)
	t.Cleanup(func() { postgres(t, server, "drop database "+name+" with (force)") })
	u.Path = "/" + name
	return u.String()
}

func postgres(t testing.TB, dsn, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatalf("connect to TIDEMARK_TEST_POSTGRES: %v", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// S3 returns the address of an empty prefix, s3://bucket/prefix?endpoint=..., on the server of TIDEMARK_TEST_S3. The
// bucket is made if it is not there. The access keys are in the usual AWS variables. What is written there stays, as a
// test server is thrown away whole.
func S3(t testing.TB) string {
	t.Helper()
	u, err := url.Parse(env(t, "TIDEMARK_TEST_S3"))
	if err != nil {
		t.Fatalf("TIDEMARK_TEST_S3: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cfg, err := config.LoadDefaultConfig(ctx, config.WithDefaultRegion("us-east-1"))
	if err != nil {
		t.Fatalf("load AWS settings: %v", err)
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.UsePathStyle = true
		if e := u.Query().Get("endpoint"); e != "" {
			o.BaseEndpoint = &e
		}
	})
	_, err = client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &u.Host})
	var mine *types.BucketAlreadyOwnedByYou
	if err != nil && !errors.As(err, &mine) {
		t.Fatalf("make bucket %s: %v", u.Host, err)
	}
	u.Path = strings.TrimSuffix(u.Path, "/") + "/" + Name("test")
	return u.String()
}

// root returns the folder of go.mod above the working folder.
func root(t testing.TB) string {
	t.Helper()
	dir, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("no go.mod above the working folder")
		}
		dir = up
	}
}
