package sspi

import (
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

// The table against Winerror.h's names and numbers.
func TestStatusTable(t *testing.T) {
	f, err := os.Open("testdata/winerror.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, row := range rows[1:] {
		want[row[1]] = row[0]
	}
	names := StatusNames()
	if len(names) != 77 || len(want) != 77 {
		t.Errorf("%d names in the table, %d in Winerror.h's list, want 77", len(names), len(want))
	}
	texts := map[string]Status{}
	var last Status
	for _, n := range names {
		if got := fmt.Sprintf("0x%08X", uint32(n.Status)); want[n.Name] != got {
			t.Errorf("%s is %s, want %s", n.Name, got, want[n.Name])
		}
		if n.Status < last {
			t.Errorf("%s is not in order", n.Name)
		}
		last = n.Status
		if other, ok := texts[n.Status.Text()]; ok && other != n.Status || n.Status.Text() == "" {
			t.Errorf("%s: the text %q says nothing of its own", n.Name, n.Status.Text())
		}
		texts[n.Status.Text()] = n.Status
		class := map[string]Class{"SEC_E": ClassError, "SEC_I": ClassInfo}[n.Name[:5]]
		if n.Status == SEC_E_OK {
			class = ClassSuccess
		}
		if n.Status.Class() != class {
			t.Errorf("%s is %v, want %v", n.Name, n.Status.Class(), class)
		}
	}
}

func TestStatusPrefersOneName(t *testing.T) {
	if SEC_E_NOT_SUPPORTED != SEC_E_UNSUPPORTED_FUNCTION || SEC_E_NOT_SUPPORTED.String() != "SEC_E_UNSUPPORTED_FUNCTION" {
		t.Errorf("0x80090302 reads as %v", SEC_E_NOT_SUPPORTED)
	}
}

// The whole number counts: the low 16 bits name two statuses.
func TestStatusIs32Bits(t *testing.T) {
	for _, pair := range [][2]Status{
		{SEC_I_CONTEXT_EXPIRED, SEC_E_CONTEXT_EXPIRED}, {SEC_I_INCOMPLETE_CREDENTIALS, SEC_E_INCOMPLETE_CREDENTIALS},
		{SEC_I_RENEGOTIATE, SEC_E_BUFFER_TOO_SMALL}, {0x00090316, SEC_E_BAD_PKGID},
	} {
		if uint16(pair[0]) != uint16(pair[1]) {
			t.Fatalf("%v and %v: not a pair", pair[0], pair[1])
		}
		if errors.Is(pair[0], pair[1]) || pair[0].String() == pair[1].String() || pair[0].Class() == pair[1].Class() {
			t.Errorf("%v and %v are taken for each other", pair[0], pair[1])
		}
	}
	if s := Status(0x00090316).String(); s != "status 0x00090316" {
		t.Errorf("0x00090316 reads as %s", s)
	}
}

func TestStatusIsAnError(t *testing.T) {
	err := fmt.Errorf("modem1: %w", SEC_E_LOGON_DENIED.Err())
	if !errors.Is(err, SEC_E_LOGON_DENIED) || errors.Is(err, SEC_E_INVALID_TOKEN) {
		t.Errorf("errors.Is: %v", err)
	}
	var s Status
	if !errors.As(err, &s) || s != SEC_E_LOGON_DENIED {
		t.Errorf("errors.As: %v", s)
	}
	if got := err.Error(); got != "modem1: the logon is refused (SEC_E_LOGON_DENIED, 0x8009030C)" {
		t.Error(got)
	}
	for _, fine := range []Status{SEC_E_OK, SEC_I_CONTINUE_NEEDED, SEC_I_COMPLETE_NEEDED} {
		if fine.Err() != nil {
			t.Errorf("%v is an error", fine)
		}
	}
	if got := Status(0x80091234).Error(); !strings.Contains(got, "unknown status") || !strings.Contains(got, "0x80091234") {
		t.Error(got)
	}
}
