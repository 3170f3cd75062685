import java.io.BufferedReader;
import java.io.File;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.sql.*;
import java.util.*;

/**
 * What people do with Kylin's JDBC driver: java Kylin.java HOST:PORT [USER CERT]. With a user it speaks TLS with who has the certificate, and takes the
 * password from KYLIN_PASSWORD. Then it asks the statements on standard input, one a line, and prints their rows, a tab between values and an empty line
 * behind each answer. Ends with "ok", or with an exception.
 */
public class Kylin {
    static void want(String what, Object got, Object expected) {
        if (!Objects.equals(got, expected)) {
            throw new AssertionError(what + ": got " + got + ", want " + expected);
        }
    }

    public static void main(String[] args) throws Exception {
        Driver driver = (Driver) Class.forName("org.apache.kylin.jdbc.Driver").getDeclaredConstructor().newInstance();
        Properties login = new Properties();
        if (args.length > 1) {
            login.put("user", args[1]);
            login.put("password", System.getenv("KYLIN_PASSWORD"));
            trust(login, args[2]);
        } else {
            login.put("user", "ADMIN");
            login.put("password", "KYLIN");
        }
        try (Connection c = driver.connect("jdbc:kylin://" + args[0] + "/default", login)) {
            metadata(c.getMetaData());
            statements(c);
            calcite(c);
            prepared(c);
            mistakes(c);
            answers(c);
        }
        if (args.length > 1) {
            guesses(driver, args[0], login);
        } else {
            strangers(driver, args[0]);
        }
        System.out.println("ok");
    }

    /** TLS with who has the certificate alone: the driver looks at certificates only if it is given both stores. */
    static void trust(Properties login, String cert) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        try (InputStream in = new FileInputStream(cert)) {
            store.setCertificateEntry("tidemark", CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        File file = File.createTempFile("tidemark", ".p12");
        file.deleteOnExit();
        try (OutputStream out = new FileOutputStream(file)) {
            store.store(out, "changeit".toCharArray());
        }
        login.put("ssl", "true");
        for (String name : List.of("keyStore", "trustStore")) {
            login.put("javax.net.ssl." + name + "Type", "PKCS12");
            login.put("javax.net.ssl." + name, file.getPath());
            login.put("javax.net.ssl." + name + "Password", "changeit");
        }
    }

    /** Who does not know the password is refused, also beside a connection of who does. */
    static void guesses(Driver driver, String where, Properties login) {
        for (String[] guess : new String[][] {{login.getProperty("user"), "wrong guess"}, {login.getProperty("user"), ""}, {"ADMIN", "KYLIN"}}) {
            Properties other = new Properties();
            other.putAll(login);
            other.put("user", guess[0]);
            other.put("password", guess[1]);
            refused(guess[0] + " with " + guess[1], driver, where + "/default", other);
        }
    }

    /** Prints the rows of the statements on standard input. */
    static void answers(Connection c) throws Exception {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String sql = in.readLine(); sql != null; sql = in.readLine()) {
            try (Statement s = c.createStatement(); ResultSet r = s.executeQuery(sql)) {
                while (r.next()) {
                    StringJoiner row = new StringJoiner("\t");
                    for (int i = 1; i <= r.getMetaData().getColumnCount(); i++) {
                        row.add(String.valueOf(r.getString(i)));
                    }
                    out.println(row);
                }
            }
            out.println();
        }
    }

    /** On loopback any name will do, but a name there must be, and a project that exists. */
    static void strangers(Driver driver, String where) throws SQLException {
        Properties login = new Properties();
        login.put("user", "somebody");
        login.put("password", "anything");
        try (Connection c = driver.connect("jdbc:kylin://" + where + "/default", login); Statement s = c.createStatement(); ResultSet r = s.executeQuery("select 1")) {
            want("a row", r.next(), true);
        }
        login.put("user", "");
        refused("no name", driver, where + "/default", login);
        login.put("user", "somebody");
        refused("no such project", driver, where + "/nowhere", login);
    }

    static void refused(String what, Driver driver, String where, Properties login) {
        try (Connection c = driver.connect("jdbc:kylin://" + where, login)) {
            c.getMetaData().getTables(null, null, "%", null).close();
        } catch (SQLException | RuntimeException e) {
            return;
        }
        throw new AssertionError(what + ": connected");
    }

    /** One column of all rows. */
    static List<String> column(ResultSet rows, String name) throws SQLException {
        List<String> out = new ArrayList<>();
        try (ResultSet r = rows) {
            while (r.next()) {
                out.add(r.getString(name));
            }
        }
        return out;
    }

    /** What Calcite writes otherwise than DuckDB. */
    static void calcite(Connection c) throws SQLException {
        String sql = "select timestampadd(DAY, 1, timestamp '2024-02-28 10:00:00') as a, timestampdiff(HOUR, timestamp '2024-02-28 10:00:00', timestamp '2024-02-29 11:59:00') as d, "
            + "floor(timestamp '2024-02-28 10:11:12' to DAY) as f, ceil(timestamp '2024-02-28 10:11:12' to HOUR) as u, {fn ucase('x')} as e, 'a' || 'b' as \"Joined\"";
        try (Statement s = c.createStatement(); ResultSet r = s.executeQuery(sql)) {
            want("a row", r.next(), true);
            want("a day later", r.getTimestamp("A").toLocalDateTime().toString(), "2024-02-29T10:00");
            want("hours between", r.getLong("D"), 25L);
            want("the day", r.getTimestamp("F").toLocalDateTime().toString(), "2024-02-28T00:00");
            want("the next hour", r.getTimestamp("U").toLocalDateTime().toString(), "2024-02-28T11:00");
            want("escaped", r.getString("E"), "X");
            want("exact name", r.getString("Joined"), "ab");
        }
    }

    static void metadata(DatabaseMetaData m) throws SQLException {
        Set<String> names = new TreeSet<>();
        try (ResultSet r = m.getTables(null, null, "PAGE%", null)) {
            while (r.next()) {
                names.add(r.getString("TABLE_CAT") + "." + r.getString("TABLE_SCHEM") + "." + r.getString("TABLE_NAME"));
            }
        }
        want("tables", names.contains("defaultCatalog.DEFAULT.PAGEVIEWS"), true);
        Map<String, Integer> types = new TreeMap<>();
        try (ResultSet r = m.getColumns(null, "DEFAULT", "PAGEVIEWS", "%")) {
            while (r.next()) {
                types.put(r.getString("COLUMN_NAME"), r.getInt("DATA_TYPE"));
            }
        }
        want("type of COUNTRY", types.get("COUNTRY"), Types.VARCHAR);
        want("type of TS", types.get("TS"), Types.TIMESTAMP);
        want("type of BYTES", types.get("BYTES"), Types.BIGINT);
        want("type of IS_BOUNCE", types.get("IS_BOUNCE"), Types.BOOLEAN);
        want("columns like", column(m.getColumns(null, "DEFAULT", "PAGEVIEWS", "COUNT%"), "COLUMN_NAME"), List.of("COUNTRY"));
        want("catalogs", column(m.getCatalogs(), "TABLE_CAT"), List.of("defaultCatalog"));
        want("schemas", column(m.getSchemas(), "TABLE_SCHEM"), List.of("DEFAULT"));
        want("types of tables", column(m.getTableTypes(), "TABLE_TYPE").contains("TABLE"), true);
        want("no such table", column(m.getTables(null, null, "NOWHERE", null), "TABLE_NAME"), List.of());
    }

    static void statements(Connection c) throws SQLException {
        String all = "select cast('2024-02-29' as date) d, timestamp '2024-02-29 01:02:03.5' ts, cast(12.5 as decimal(10,4)) p, "
            + "cast(0.25 as double) f, true b, cast(null as varchar) n, cast(7 as bigint) l, 3 i, 'ü' s, count(*) as \"count\" from pageviews";
        try (Statement s = c.createStatement(); ResultSet r = s.executeQuery(all)) {
            ResultSetMetaData m = r.getMetaData();
            want("label", m.getColumnLabel(1), "D");
            want("exact label", m.getColumnLabel(10), "count");
            want("a row", r.next(), true);
            want("date", r.getString(1), "2024-02-29");
            want("timestamp", r.getString(2).startsWith("2024-02-29 01:02:03"), true);
            want("decimal", r.getBigDecimal(3), new BigDecimal("12.5000"));
            want("double", r.getObject(4), 0.25);
            want("boolean", r.getBoolean(5), true);
            want("null", r.getString(6), null);
            want("bigint", r.getObject(7), 7L);
            want("integer", r.getObject(8), 3);
            want("text", r.getString(9), "ü");
            want("counted", r.getLong(10) > 0, true);
            want("one row", r.next(), false);
        }
        try (Statement s = c.createStatement()) {
            s.setMaxRows(2);
            try (ResultSet r = s.executeQuery("select country, count(*) from \"DEFAULT\".\"PAGEVIEWS\" group by country order by count(*) desc")) {
                int n = 0;
                while (r.next()) {
                    n++;
                }
                want("rows at most", n, 2);
                want("label of none", r.getMetaData().getColumnLabel(2), "EXPR$1");
            }
        }
    }

    static void prepared(Connection c) throws SQLException {
        String sql = "select ? as s, ? + 1 as n, count(*) from pageviews where ts > ? and country <> ?";
        try (PreparedStatement p = c.prepareStatement(sql)) {
            p.setString(1, "it's");
            p.setInt(2, 41);
            p.setTimestamp(3, Timestamp.valueOf("2000-01-01 00:00:00"));
            p.setString(4, "nowhere");
            try (ResultSet r = p.executeQuery()) {
                want("a row", r.next(), true);
                want("text", r.getString(1), "it's");
                want("number", r.getInt(2), 42);
                want("counted", r.getLong(3) > 0, true);
            }
        }
    }

    static void mistakes(Connection c) throws SQLException {
        try (Statement s = c.createStatement()) {
            s.executeQuery("select wrong from pageviews");
            throw new AssertionError("a wrong column is no error");
        } catch (SQLException e) {
            Throwable root = e;
            while (root.getCause() != null) {
                root = root.getCause();
            }
            want("what is wrong: " + root.getMessage(), root.getMessage().contains("wrong"), true);
        }
    }
}
