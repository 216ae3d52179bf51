package e2e

import "testing"

var scenarios = []scenario{
	{"up", "uploads", true, (*errand).put},
	{"down", "downloads", true, (*errand).get},
	{"resume up", "resuming an upload", true, (*errand).reput},
	{"resume down", "resuming a download", true, (*errand).reget},
	{"append", "appending", true, (*errand).appended},
	{"ASCII up", "uploads in ASCII", true, (*errand).putText},
	{"ASCII down", "downloads in ASCII", true, (*errand).getText},
	{"time up", "uploads that keep the time", true, (*errand).putTime},
	{"time down", "downloads that keep the time", true, (*errand).getTime},
	{"list", "lists", true, (*errand).list},
	{"many up", "uploads by a pattern", true, (*errand).putMany},
	{"many down", "downloads by a pattern", true, (*errand).getMany},
	{"tree up", "uploads of trees", true, (*errand).putTree},
	{"tree down", "downloads of trees", true, (*errand).getTree},
	{"odd names up", "uploads under odd names", false, (*errand).oddUp},
	{"odd names down", "downloads of odd names", false, (*errand).oddDown},
	{"make a directory", "making directories", false, (*errand).mkdir},
	{"remove one", "removing directories", false, (*errand).rmdir},
	{"rename", "renaming", false, (*errand).rename},
	{"delete", "deleting", false, (*errand).remove},
	{"size", "sizes", false, (*errand).size},
	{"time", "times", false, (*errand).time},
}

var extras = []scenario{}

func checkClientsPage(t *testing.T, all []*client) {
	for _, c := range all {
		t.Log(c.title, c.results)
	}
}
