package plugin

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"rashost/plugin/internal/gencodes/gen"
)

func TestGeneratedCodesAreUpToDate(t *testing.T) {
	list, err := os.ReadFile("codes.csv")
	if err != nil {
		t.Fatal(err)
	}
	want, err := gen.Source(list)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("zcodes.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("zcodes.go is not what codes.csv gives; run: go generate ./plugin")
	}
}

func TestEveryListedCodeHasNameAndText(t *testing.T) {
	f, err := os.Open("codes.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	names, texts := map[string]bool{}, map[string]bool{}
	for _, row := range rows[1:] {
		n, err := strconv.ParseUint(row[0], 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		c := Code(n)
		if !c.Known() || c.String() != row[1] || c.Text() != row[2] {
			t.Errorf("code %d reads as %q, %q; the list says %q, %q", n, c.String(), c.Text(), row[1], row[2])
		}
		if row[1] == "" || row[2] == "" || names[row[1]] || texts[row[2]] {
			t.Errorf("code %d: name or text is empty or used twice", n)
		}
		if len(row[2]) > 80 || strings.TrimSpace(row[2]) != row[2] || strings.Contains(row[2], "_") {
			t.Errorf("code %d: %q is not a short plain text", n, row[2])
		}
		names[row[1]], texts[row[2]] = true, true
	}
	if got := len(Codes()); got != len(rows)-1 {
		t.Errorf("the table has %d codes, the list %d", got, len(rows)-1)
	}
}

// The whole range of Raserror.h is there; the gaps are the header's own.
func TestRaserrorRangesAreComplete(t *testing.T) {
	for _, r := range []struct{ first, last, gap Code }{{600, 878, 0}, {900, 956, 947}} {
		for c := r.first; c <= r.last; c++ {
			if c.Known() == (c == r.gap) {
				t.Errorf("code %d: known is %v", c, c.Known())
			}
		}
	}
}

func TestCodeNumbers(t *testing.T) {
	for want, c := range map[uint32]Code{
		0: NoError, 5: ErrorAccessDenied, 13: ErrorInvalidData, 55: ErrorDevNotExist, 87: ErrorInvalidParameter, 120: ErrorCallNotImplemented,
		600: Pending, 601: ErrorInvalidPortHandle, 610: ErrorBufferInvalid, 614: ErrorOutOfBuffers, 616: ErrorAsyncRequestPending,
		618: ErrorPortNotOpen, 619: ErrorPortDisconnected, 635: ErrorUnknown, 638: ErrorRequestTimeout, 691: ErrorAuthenticationFailure,
		704: ErrorBadCallbackNumber, 751: ErrorInvalidCallbackNumber, 1067: ErrorProcessAborted, 2115: NerrItemNotFound, 2221: NerrUserNotFound,
	} {
		if uint32(c) != want {
			t.Errorf("%v is %d, want %d", c, uint32(c), want)
		}
	}
	// Winerror.h has another meaning for 601 to 955; Raserror.h wins.
	if Code(638).String() != "ERROR_REQUEST_TIMEOUT" {
		t.Errorf("638 reads as %v", Code(638))
	}
}

func TestCodeIsAnError(t *testing.T) {
	if err := NoError.Err(); err != nil {
		t.Errorf("NoError.Err() = %v, want nil", err)
	}
	err := fmt.Errorf("line modem1: dialog: %w", ErrorRequestTimeout.Err())
	if !errors.Is(err, ErrorRequestTimeout) || errors.Is(err, ErrorUnknown) {
		t.Errorf("errors.Is does not tell the codes in %v apart", err)
	}
	var c Code
	if !errors.As(err, &c) || c != 638 {
		t.Errorf("errors.As gave %v", c)
	}
	if got, want := err.Error(), "line modem1: dialog: the request took too long (ERROR_REQUEST_TIMEOUT, 638)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestUnknownCode(t *testing.T) {
	for _, c := range []Code{1, 599, 879, 947, 12345, 1<<32 - 1} {
		want := fmt.Sprintf("code %d", uint32(c))
		if c.Known() || c.String() != want || c.Error() != want || c.Text() != "unknown code" || c.Err() == nil {
			t.Errorf("code %d: %q, %q, %q", uint32(c), c.String(), c.Error(), c.Text())
		}
	}
}
