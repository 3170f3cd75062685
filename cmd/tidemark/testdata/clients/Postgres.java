import java.math.BigDecimal;
import java.sql.*;
import java.util.*;

/** What people do with PostgreSQL's JDBC driver: java Postgres.java HOST:PORT. Ends with "ok", or with an exception. */
public class Postgres {
    static void want(String what, Object got, Object expected) {
        if (!Objects.equals(got, expected)) {
            throw new AssertionError(what + ": got " + got + ", want " + expected);
        }
    }

    public static void main(String[] args) throws Exception {
        Driver driver = (Driver) Class.forName("org.postgresql.Driver").getDeclaredConstructor().newInstance();
        Properties login = new Properties();
        login.put("user", "ann");
        try (Connection c = driver.connect("jdbc:postgresql://" + args[0] + "/default", login)) {
            metadata(c.getMetaData());
            statements(c);
            prepared(c);
            pieces(c);
            mistakes(c);
        }
        System.out.println("ok");
    }

    static void metadata(DatabaseMetaData m) throws SQLException {
        List<String> tables = new ArrayList<>();
        try (ResultSet r = m.getTables(null, "public", "%", new String[] {"TABLE"})) {
            while (r.next()) {
                tables.add(r.getString("TABLE_SCHEM") + "." + r.getString("TABLE_NAME"));
            }
        }
        want("tables", tables, List.of("public.pageviews"));
        Map<String, Integer> types = new TreeMap<>();
        try (ResultSet r = m.getColumns(null, null, "pageviews", "%")) {
            while (r.next()) {
                types.put(r.getString("COLUMN_NAME"), r.getInt("DATA_TYPE"));
            }
        }
        want("type of ts", types.get("ts"), Types.TIMESTAMP);
        want("type of country", types.get("country"), Types.VARCHAR);
        want("type of bytes", types.get("bytes"), Types.BIGINT);
        try (ResultSet r = m.getPrimaryKeys(null, "public", "pageviews")) {
            want("a primary key", r.next(), false);
        }
        try (ResultSet r = m.getIndexInfo(null, "public", "pageviews", false, true)) {
            want("an index", r.next(), false);
        }
        try (ResultSet r = m.getImportedKeys(null, "public", "pageviews")) {
            want("a foreign key", r.next(), false);
        }
        Set<String> names = new TreeSet<>();
        try (ResultSet r = m.getTypeInfo()) {
            while (r.next()) {
                names.add(r.getString("TYPE_NAME"));
            }
        }
        want("types", names.containsAll(List.of("int8", "numeric", "text", "timestamp")), true);
        try (ResultSet r = m.getSchemas()) {
            want("a schema", r.next(), true);
        }
        try (ResultSet r = m.getCatalogs()) {
            want("a catalog", r.next(), true);
        }
        want("name of the product", m.getDatabaseProductName(), "PostgreSQL");
        want("keywords", m.getSQLKeywords() != null, true);
    }

    static void statements(Connection c) throws SQLException {
        try (Statement s = c.createStatement();
                ResultSet r = s.executeQuery("SELECT count(*) AS n, sum(bytes) AS bytes, max(ts) AS last, avg(bytes) AS mean FROM pageviews")) {
            want("a row", r.next(), true);
            want("type of a sum", r.getMetaData().getColumnType(2), Types.NUMERIC);
            want("events", r.getLong("n") > 0, true);
            want("bytes", r.getBigDecimal("bytes").compareTo(BigDecimal.ZERO) > 0, true);
            want("time", r.getTimestamp("last") != null, true);
            want("mean", r.getDouble("mean") > 0, true);
        }
        try (Statement s = c.createStatement();
                ResultSet r = s.executeQuery("SELECT 1.50::DECIMAL(9,2), DATE '2026-02-03', TIMESTAMP '2026-02-03 04:05:06.789', true, 'x', NULL, [1, 2]::BIGINT[]")) {
            r.next();
            want("decimal", r.getBigDecimal(1), new BigDecimal("1.50"));
            want("date", r.getDate(2).toString(), "2026-02-03");
            want("timestamp", r.getTimestamp(3).toString(), "2026-02-03 04:05:06.789");
            want("bool", r.getBoolean(4), true);
            want("text", r.getString(5), "x");
            want("null", r.getObject(6), null);
            want("array", Arrays.toString((Object[]) r.getArray(7).getArray()), "[1, 2]");
        }
    }

    /** More often than the driver prepares by name, and asks for binary values. */
    static void prepared(Connection c) throws SQLException {
        try (PreparedStatement p = c.prepareStatement("SELECT ?::BIGINT + 1, ?, count(*) FROM pageviews WHERE country <> ? AND bytes > ?")) {
            for (int i = 0; i < 8; i++) {
                p.setLong(1, i);
                p.setString(2, "text " + i);
                p.setString(3, "ZZ");
                p.setInt(4, i);
                try (ResultSet r = p.executeQuery()) {
                    want("a row", r.next(), true);
                    want("long", r.getLong(1), i + 1L);
                    want("text", r.getString(2), "text " + i);
                    want("count", r.getLong(3) > 0, true);
                }
            }
            want("columns", p.getMetaData().getColumnCount(), 3);
            want("parameters", p.getParameterMetaData().getParameterCount(), 4);
        }
    }

    /** A cursor of the driver reads some rows at a time. */
    static void pieces(Connection c) throws SQLException {
        c.setAutoCommit(false);
        try (Statement s = c.createStatement()) {
            s.setFetchSize(1000);
            long n = 0;
            try (ResultSet r = s.executeQuery("SELECT x FROM range(10000) AS r(x) ORDER BY x")) {
                while (r.next()) {
                    want("row", r.getLong(1), n++);
                }
            }
            want("rows", n, 10_000L);
            s.setMaxRows(10);
            try (ResultSet r = s.executeQuery("SELECT * FROM pageviews")) {
                for (n = 0; r.next(); n++) {}
            }
            want("maximum of rows", n, 10L);
        }
        c.commit();
        c.setAutoCommit(true);
    }

    static void mistakes(Connection c) throws SQLException {
        for (String[] m : new String[][] {
            {"SELECT nothing FROM pageviews", "42703"}, {"SELECT * FROM nowhere", "42P01"}, {"SELEC 1", "42601"},
            {"DELETE FROM pageviews", "25006"}, {"SELECT 'x'::INTEGER", "22P02"},
        }) {
            try (Statement s = c.createStatement()) {
                s.execute(m[0]);
                throw new AssertionError(m[0] + " was answered");
            } catch (SQLException e) {
                want(m[0], e.getSQLState(), m[1]);
            }
        }
        try (Statement s = c.createStatement()) {
            s.setQueryTimeout(1);
            s.executeQuery("SELECT sum(a.x * b.x) FROM range(100000000) AS a(x), range(1000) AS b(x)");
            throw new AssertionError("a statement was not cancelled");
        } catch (SQLException e) {
            want("a statement that takes too long", e.getSQLState(), "57014");
        }
    }
}
