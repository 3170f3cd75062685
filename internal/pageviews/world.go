package pageviews

import (
	"fmt"
	"strconv"
	"strings"
)

// Cardinalities of the dimensions; each is drawn by a zipf distribution.
const (
	pageCount     = 20_000
	visitorCount  = 200_000
	referrerCount = 1_000
	campaignCount = 200
)

// sectionNames in order of weight.
const sectionNames = "news sport tech home politics travel food culture money video opinion weather"

// countryTable is country:language=weight,... in order of weight: a language is drawn within its country.
const countryTable = `US:en=85,es=13,zh=2 IN:hi=50,en=40,bn=10 BR:pt=98,es=2 DE:de=93,tr=4,en=3 GB:en=97,pl=3 FR:fr=96,ar=4
JP:ja=100 MX:es=98,en=2 ID:id=97,en=3 TR:tr=97,ar=3 IT:it=97,de=3 ES:es=90,en=10 CA:en=76,fr=24 PL:pl=97,uk=3 KR:ko=100
NL:nl=93,en=7 VN:vi=100 PH:en=60,tl=40 AR:es=100 AU:en=96,zh=4 CO:es=100 EG:ar=98,en=2 UA:uk=80,ru=20 TH:th=100 PK:ur=80,en=20
BD:bn=98,en=2 NG:en=100 SA:ar=95,en=5 MY:ms=70,en=20,zh=10 ZA:en=100 SE:sv=95,en=5 BE:nl=58,fr=40,de=2 CH:de=63,fr=26,it=8,en=3
AT:de=96,en=4 CL:es=100 RO:ro=97,hu=3 CZ:cs=98,en=2 PT:pt=98,en=2 GR:el=98,en=2 HU:hu=99,en=1 PE:es=100 IL:he=80,ar=12,en=8
DK:da=96,en=4 NO:nb=96,en=4 FI:fi=94,sv=6 IE:en=100 SG:en=70,zh=30 HK:zh=85,en=15 TW:zh=100 NZ:en=100 AE:ar=40,en=60
KE:en=80,sw=20 MA:ar=70,fr=30 DZ:ar=75,fr=25 KZ:ru=70,kk=30 RS:sr=100 BG:bg=99,en=1 HR:hr=99,en=1 SK:sk=97,hu=3 LK:si=85,en=15`

// deviceTable is a line of device, weight, os, weight within the device, browser=weight,... for each os. An os is drawn within its device, a browser within its os.
const deviceTable = `mobile 56 Android 60 Chrome=74,Samsung_Internet=16,Firefox=4,Opera=4,UC=2
mobile 56 iOS 40 Safari=86,Chrome=11,Firefox=2,Edge=1
desktop 38 Windows 70 Chrome=58,Edge=26,Firefox=11,Opera=4,Vivaldi=1
desktop 38 macOS 20 Safari=48,Chrome=42,Firefox=8,Brave=2
desktop 38 Linux 6 Firefox=52,Chrome=40,Brave=8
desktop 38 ChromeOS 4 Chrome=100
tablet 5 iPadOS 62 Safari=92,Chrome=8
tablet 5 Android 38 Chrome=80,Samsung_Internet=20
tv 1 Tizen 60 Samsung_Internet=100
tv 1 webOS 40 LG_Browser=100`

// world is what does not change while events are made: names, weights and the JSON fragments that depend on one choice.
type world struct {
	pages     []page
	page      choice
	visitor   choice
	country   choice
	countries []country
	device    choice // over combos: device, os and browser in one draw
	devices   []combo
	referrer  choice
	refs      []source
	latency   *exponential
	bytes     *exponential
	views     choice // views of a session, less one
}

type page struct {
	url, section string
	json         []byte // "url":...,"section":...,"title":... without braces
}

type country struct {
	name  string
	langs []string
	lang  choice
}

type combo struct{ device, os, browser string }

type source struct {
	domain    string
	campaigns []string
}

func newWorld(seed uint64) *world {
	w := &world{
		page:     newChoice(zipf(pageCount, 1.2, 4)),
		visitor:  newChoice(zipf(visitorCount, 1.1, 20)),
		referrer: newChoice(zipf(referrerCount, 1.3, 4)),
		latency:  newExponential(120),
		bytes:    newExponential(40_000),
		views:    newChoice(sessionWeights()),
	}
	w.addPages(seed)
	w.addCountries()
	w.addDevices()
	w.addReferrers(seed)
	return w
}

// sessionWeights are those of 1, 2 ... 20 views: 45% of the sessions bounce, the longer the rarer.
func sessionWeights() []float64 {
	rest := zipf(19, 1.2, 2)
	sum := 0.0
	for _, x := range rest {
		sum += x
	}
	return append([]float64{sum * 45 / 55}, rest...)
}

func (w *world) addPages(seed uint64) {
	names := strings.Fields(sectionNames)
	section := newChoice(zipf(len(names), 1.3, 4))
	w.pages = make([]page, pageCount)
	for i := range w.pages {
		r := rng(mix(seed ^ uint64(i)*0x9e3779b97f4a7c15))
		p := &w.pages[i]
		p.url = "/p/" + strconv.Itoa(i)
		p.section = names[section.pick(r.next())]
		title := fmt.Sprintf("Page %d of the site", i)
		if i%20 == 7 { // 5% of the titles hold escapes
			title = fmt.Sprintf(`Caf\u00e9 \"%d\" – news\/live`, i)
		}
		p.json = fmt.Appendf(nil, `"url":"%s","section":"%s","title":"%s"`, p.url, p.section, title)
	}
}

func (w *world) addCountries() {
	for _, f := range strings.Fields(countryTable) {
		name, list, _ := strings.Cut(f, ":")
		c := country{name: name}
		var weights []float64
		c.langs, weights = weighted(list)
		c.lang = newChoice(weights)
		w.countries = append(w.countries, c)
	}
	w.country = newChoice(zipf(len(w.countries), 1.3, 4))
}

func (w *world) addDevices() {
	var weights []float64
	for _, line := range strings.Split(deviceTable, "\n") {
		f := strings.Fields(line)
		browsers, share := weighted(f[4])
		for i, b := range browsers {
			w.devices = append(w.devices, combo{device: f[0], os: f[2], browser: strings.ReplaceAll(b, "_", " ")})
			weights = append(weights, number(f[1])*number(f[3])*share[i])
		}
	}
	w.device = newChoice(weights)
}

// addReferrers gives each referrer one to three campaigns: a campaign is bought somewhere.
func (w *world) addReferrers(seed uint64) {
	campaign := newChoice(zipf(campaignCount, 1.2, 4))
	w.refs = make([]source, referrerCount)
	for i := range w.refs {
		r := rng(mix(^seed ^ uint64(i)*0x9e3779b97f4a7c15))
		s := &w.refs[i]
		s.domain = fmt.Sprintf("ref%d.example.com", i)
		for range 1 + i%3 {
			s.campaigns = append(s.campaigns, "c"+strconv.Itoa(campaign.pick(r.next())))
		}
	}
}

// weighted splits a=1,b=2. The tables are constants, so a malformed one is a bug of this file.
func weighted(list string) (names []string, weights []float64) {
	for _, item := range strings.Split(list, ",") {
		name, weight, _ := strings.Cut(item, "=")
		names = append(names, name)
		weights = append(weights, number(weight))
	}
	return names, weights
}

func number(s string) float64 {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		panic("pageviews: weight in a table: " + err.Error())
	}
	return f
}
