package stage

// What the tests in package stage_test share: they import readers that must not end up in this package.
var (
	PageViews   = pageViews
	Fixture     = fixture
	GoldenFiles = goldenFiles
)
