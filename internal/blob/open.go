package blob

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Options configure OpenStore. The zero value of a field means its default.
type Options struct {
	S3    S3Options    // limits; what the address says goes first
	Retry RetryOptions // of whole operations, around what S3.Retry does for single calls
}

// OpenStore opens the store at address: s3://bucket/prefix?endpoint=...&region=...&path_style=true, or the path of a
// directory. It calls no server: Check does. The result repeats what ends in ErrUnavailable, within Options.Retry.
func OpenStore(ctx context.Context, address string, o Options) (*Retry, error) {
	st, err := openPlain(ctx, address, o.S3)
	if err != nil {
		return nil, err
	}
	return NewRetry(st, o.Retry)
}

func openPlain(ctx context.Context, address string, o S3Options) (Store, error) {
	scheme, _, ok := strings.Cut(address, "://")
	switch {
	case address == "":
		return nil, errors.New("store: the address is empty: give a directory or s3://bucket/prefix")
	case !ok:
		return NewDir(address)
	case strings.EqualFold(scheme, "s3"):
		o, err := parseS3(address, o)
		if err != nil {
			return nil, err
		}
		return NewS3(ctx, o)
	}
	return nil, fmt.Errorf("store %q: %s:// is not supported: give a directory or s3://bucket/prefix?endpoint=URL", address, scheme)
}

// parseS3 fills o with what the address says, and joins every complaint.
func parseS3(address string, o S3Options) (S3Options, error) {
	u, err := url.Parse(address)
	if err != nil {
		return o, fmt.Errorf("store: %w", err)
	}
	var errs []error
	if u.User != nil {
		errs = append(errs, errors.New("access keys do not belong in the address: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile or role"))
	}
	if u.Fragment != "" {
		errs = append(errs, fmt.Errorf("#%s is not part of an address", u.Fragment))
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		errs = append(errs, err)
	}
	o.Bucket, o.Prefix = u.Host, strings.Trim(u.Path, "/")
	pathStyle := ""
	known := []string{"endpoint", "region", "path_style"}
	for name, values := range query {
		if !slices.Contains(known, name) {
			errs = append(errs, fmt.Errorf("parameter %q is not known: use %s", name, strings.Join(known, ", ")))
			continue
		}
		if len(values) > 1 || values[0] == "" {
			errs = append(errs, fmt.Errorf("parameter %q needs exactly one value", name))
			continue
		}
		switch name {
		case "endpoint":
			o.Endpoint = values[0]
		case "region":
			o.Region = values[0]
		case "path_style":
			pathStyle = values[0]
		}
	}
	if pathStyle != "" {
		if o.PathStyle, err = strconv.ParseBool(pathStyle); err != nil {
			errs = append(errs, fmt.Errorf("path_style=%s: must be true or false", pathStyle))
		}
	} else if !o.PathStyle {
		o.PathStyle = needsPathStyle(o.Endpoint)
	}
	if len(errs) > 0 {
		shown := *u
		shown.User = nil
		return o, fmt.Errorf("store %s: %w", shown.Redacted(), errors.Join(errs...))
	}
	return o, nil
}

// needsPathStyle: no bucket can be put before an IP address, and hardly before localhost.
func needsPathStyle(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil || endpoint == "" {
		return false
	}
	host := u.Hostname()
	_, err = netip.ParseAddr(host)
	return err == nil || host == "localhost"
}
