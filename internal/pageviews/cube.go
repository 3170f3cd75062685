package pageviews

// CubeYAML is the definition of a cube over the table of TableYAML, as `tidemark cube apply -f` reads it: what a site
// asks of its page views every day. Both names must be plain. It cuts every five seconds, so that a short run of the
// generator has segments to look at.
//
// The time is a hierarchy (nobody groups by hour without the day), device, os and browser come in that order too, language
// and country are asked for freely. That makes 4 * 4 * 2^4 - 1 = 255 cuboids.
func CubeYAML(cube, table string) string {
	return `# Traffic, visitors and latency of page views
cube: ` + cube + `
table: ` + table + `
dimensions:
  - day(ts)
  - hour(ts)
  - minute(ts)
  - country
  - lang
  - section
  - device_type
  - os
  - browser
  - referrer
measures:
  - count
  - sum(bytes)
  - avg(latency_ms)
  - max(latency_ms)
  - percentile(latency_ms)
  - count_distinct(visitor_id)
  - top_n(page_url)
groups:
  - hierarchy: [[ts_day, ts_hour, ts_minute], [device_type, os, browser]]
row_key: [ts_day, ts_hour, ts_minute, country, section, device_type, os, browser, lang, referrer]
cut: {age: 5s}
`
}
