package main

import (
	"strings"
	"testing"

	"rashost/internal/admin"
	"rashost/internal/config"
	"rashost/plugin/external"
	"rashost/plugin/native"
)

// What `rashost plugins` asks of plugins with processes of their own.
var _, _ ownProcess = (*external.Plugin)(nil), (*native.Plugin)(nil)

// contained is such a plugin.
type contained struct {
	inert
	why string
}

func (*contained) Program() string             { return "/srv/door" }
func (c *contained) Contained() (bool, string) { return c.why == "", c.why }

// TestPluginsSayWhatCanEscape: each dialog with a program of its own has a row, with the program's path, and a remark where children of the
// program could outlive it.
func TestPluginsSayWhatCanEscape(t *testing.T) {
	h := &house{config: &config.Config{}, dialogs: map[string]*dialogUse{
		"held":  {pluginName: "external", plugin: &contained{}},
		"loose": {pluginName: "native", plugin: &contained{why: "no control group"}},
	}}
	got := map[string]admin.PluginView{}
	for _, v := range pluginViews(pluginTable(), h) {
		got[v.Kind+" "+strings.Join(v.Dialogs, ",")] = v
	}
	if v := got["external held"]; v.From != "/srv/door" || v.Remark != "" {
		t.Errorf("%+v", v)
	}
	if v := got["native loose"]; v.From != "/srv/door" || v.Remark != "escaped children are possible: no control group" {
		t.Errorf("%+v", v)
	}
	if v, ok := got["built-in "]; !ok || v.From != "rashost" {
		t.Errorf("%+v", got)
	}
}
