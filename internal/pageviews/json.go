package pageviews

import (
	"strconv"
	"time"
)

// writeJSON prepares the parts of a record that stay the same during a session.
func (s *session) writeJSON() {
	b := append(s.visitorJSON[:0], `,"visitor":{"id":"`...)
	b = appendVisitor(b, s.visitor)
	b = append(append(b, `","country":"`...), s.country.name...)
	b = append(append(b, `","lang":"`...), s.lang...)
	s.visitorJSON = append(b, `"},`...)

	b = append(append(s.tailJSON[:0], `"device":{"type":"`...), s.combo.device...)
	b = append(append(b, `","os":"`...), s.combo.os...)
	b = append(append(b, `","browser":"`...), s.combo.browser...)
	b = append(append(b, `"},"referrer":{"domain":"`...), s.ref.domain...)
	b = append(append(b, `","campaign":"`...), s.campaign...)
	s.tailJSON = append(b, `"},"latency_ms":`...)
}

func (g *Generator) appendJSON(dst []byte, ev *Event, s *session, p *page) []byte {
	dst = append(dst, `{"ts":"`...)
	dst = g.appendTime(dst, ev.TimeUs)
	dst = append(dst, `","event_id":"`...)
	dst = appendUUID(dst, ev.idHigh, ev.idLow)
	dst = append(dst, `","page":{`...)
	dst = append(dst, p.json...)
	dst = append(dst, '}')
	dst = append(dst, s.visitorJSON...)
	if g.opts.Wide {
		dst = g.appendContext(dst)
	}
	dst = append(dst, s.tailJSON...)
	dst = appendInt(dst, ev.LatencyMs)
	dst = append(dst, `,"bytes":`...)
	dst = appendInt(dst, ev.Bytes)
	if ev.Bounce {
		dst = append(dst, `,"is_bounce":true,"score":0.`...)
	} else {
		dst = append(dst, `,"is_bounce":false,"score":0.`...)
	}
	score := g.rng.below(1000)
	dst = append(dst, '0'+byte(score/100), '0'+byte(score/10%10), '0'+byte(score%10))
	if g.opts.Wide {
		dst = g.appendDebug(dst)
	}
	return append(dst, '}')
}

// appendBelow writes a random number in [0, n).
func (g *Generator) appendBelow(dst []byte, n int) []byte {
	return appendInt(dst, int64(g.rng.below(n)))
}

// appendContext writes what the wide variant has between visitor and device; no column of the table is in it.
func (g *Generator) appendContext(dst []byte) []byte {
	dst = append(dst, `"ctx":{"ua":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.`...)
	dst = g.appendBelow(dst, 9999)
	dst = append(dst, `.0 Safari/537.36","screen":{"w":1920,"h":1080,"dpr":2.0},"ab":[{"k":"exp-`...)
	dst = g.appendBelow(dst, 50)
	dst = append(dst, `","v":"b"},{"k":"exp-`...)
	dst = g.appendBelow(dst, 50)
	dst = append(dst, `","v":"control"},{"k":"layout","v":"\u00e4 \"x\""}],"consent":{"ads":true,"stats":false,"tcf":"CPz`...)
	dst = g.appendBelow(dst, 1<<30)
	dst = append(dst, `.AAAABAENAXEABAAAAAAAAAAAAAAAAAAA"},"geo":[52.52`...)
	dst = g.appendBelow(dst, 999)
	dst = append(dst, `,13.40`...)
	dst = g.appendBelow(dst, 999)
	dst = append(dst, `]},"headers":{"accept":"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",`+
		`"accept-language":"de-DE,de;q=0.9,en;q=0.8","cache-control":"max-age=0","x-req":"`...)
	dst = appendHex(dst, g.rng.next(), 16)
	dst = append(dst, `"},"timing":{"dns":`...)
	dst = g.appendBelow(dst, 40)
	dst = append(dst, `,"tcp":`...)
	dst = g.appendBelow(dst, 60)
	dst = append(dst, `,"tls":`...)
	dst = g.appendBelow(dst, 90)
	dst = append(dst, `,"ttfb":`...)
	dst = g.appendBelow(dst, 300)
	dst = append(dst, `,"dom":`...)
	dst = g.appendBelow(dst, 2000)
	dst = append(dst, `,"load":`...)
	dst = g.appendBelow(dst, 5000)
	dst = append(dst, `,"marks":[1.5,22.25,`...)
	dst = g.appendBelow(dst, 900)
	dst = append(dst, `,null,`...)
	dst = g.appendBelow(dst, 900)
	dst = append(dst, `.5]},"cookies":["sid=`...)
	dst = appendHex(dst, g.rng.next()>>32, 8)
	return append(dst, `","theme=dark","seen=1|2|3|4|5"],`...)
}

// appendDebug writes what the wide variant has at its end.
func (g *Generator) appendDebug(dst []byte) []byte {
	dst = append(dst, `,"debug":{"srv":"edge-`...)
	dst = g.appendBelow(dst, 40)
	dst = append(dst, `.fra.example.net","build":"2026.11.`...)
	dst = g.appendBelow(dst, 30)
	dst = append(dst, '-')
	dst = appendHex(dst, g.rng.next()>>36, 7)
	return append(dst, `","flags":["a","b","c","d"],"nested":{"a":{"b":{"c":[1,2,3,{"d":"e"}]}}}}`...)
}

func appendInt(dst []byte, v int64) []byte { return strconv.AppendInt(dst, v, 10) }

// appendTime writes microseconds since 1970 as RFC 3339 with milliseconds in UTC; the date is kept from call to call.
func (g *Generator) appendTime(dst []byte, us int64) []byte {
	const dayMs = 86_400_000
	ms := us / 1000
	if day := ms / dayMs; day != g.day {
		g.day = day
		time.UnixMilli(ms).UTC().AppendFormat(g.date[:0], time.DateOnly)
	}
	ms %= dayMs
	s := ms / 1000
	ms %= 1000
	h, m := s/3600, s/60%60
	s %= 60
	dst = append(dst, g.date[:]...)
	return append(dst, 'T', '0'+byte(h/10), '0'+byte(h%10), ':', '0'+byte(m/10), '0'+byte(m%10), ':',
		'0'+byte(s/10), '0'+byte(s%10), '.', '0'+byte(ms/100), '0'+byte(ms/10%10), '0'+byte(ms%10), 'Z')
}
