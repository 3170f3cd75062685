import java.math.BigDecimal;
import java.sql.*;
import java.util.*;

/** What people do with Kylin's JDBC driver: java Kylin.java HOST:PORT. Ends with "ok", or with an exception. */
public class Kylin {
    static void want(String what, Object got, Object expected) {
        if (!Objects.equals(got, expected)) {
            throw new AssertionError(what + ": got " + got + ", want " + expected);
        }
    }

    public static void main(String[] args) throws Exception {
        Driver driver = (Driver) Class.forName("org.apache.kylin.jdbc.Driver").getDeclaredConstructor().newInstance();
        Properties login = new Properties();
        login.put("user", "ADMIN");
        login.put("password", "KYLIN");
        try (Connection c = driver.connect("jdbc:kylin://" + args[0] + "/default", login)) {
            metadata(c.getMetaData());
            statements(c);
            prepared(c);
            mistakes(c);
        }
        System.out.println("ok");
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
