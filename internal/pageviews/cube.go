package pageviews

// CubeYAML is the definition of a cube over the table of TableYAML, as `tidemark cube apply -f` reads it: what a site
// asks of its page views every day. Both names must be plain. It cuts every five seconds and keeps two segments,
// so that a short run of the generator has segments and merges to look at.
//
// What is watched by the minute has a group of its own; the rest is asked for by the hour, a few dimensions at a time. The
// time is a hierarchy (nobody groups by hour without the day), and so are device, os and browser. All ten dimensions in one
// group would be 255 cuboids, nearly all of them as long as the events are many.
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
  - includes: [ts_day, ts_hour, ts_minute, country, section, device_type]
    hierarchy: [[ts_day, ts_hour, ts_minute]]
  - includes: [ts_day, ts_hour, device_type, os, browser, lang, referrer]
    hierarchy: [[ts_day, ts_hour], [device_type, os, browser]]
    dim_cap: 4
row_key: [ts_day, ts_hour, ts_minute, country, section, device_type, os, browser, lang, referrer]
cut: {age: 5s}
merge: {budget: [{segments: 2}]}
`
}
