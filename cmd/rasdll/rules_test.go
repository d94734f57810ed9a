package rasdll

import (
	"fmt"
	"strings"
	"testing"
)

// complete is the DialogComplete of testdata/rules.c.
func complete(id, hport, verdict int) string {
	return asked(id, "DialogComplete", fmt.Sprintf(`"hport":%d,"msgid":%d,"error":0,"user64":"YQ==","domain64":""`, hport, verdict))
}

// The rules of the contract that rasdll keeps itself, one after the other in one process: plain, with the sanitizers, under valgrind.
func TestRules(t *testing.T) {
	for how, sanitizers := range map[string]string{"plain": "", "sanitized": "address,undefined", "valgrind": ""} {
		for size, flags := range map[string][]string{"handle": nil, "dword": {"-DRASSHOST_HPORT_DWORD"}} {
			t.Run(how+"/"+size, func(t *testing.T) {
				command := []string{rasdll(t, sanitizers), library(t, "rules.c", flags...)}
				if how == "valgrind" {
					need(t, "valgrind", "valgrind")
					command = append([]string{"valgrind", "--quiet"}, command...)
				}
				s := open(t, command...)
				s.hello("rules"+strings.Join(flags, "")+".so", "call")

				// Rule C7: what was on its way when Complete was called is nobody's.
				s.begin(1, `"late"`)
				s.expect(asked(1, "DialogReceive", `"hport":1,"size":100,"timeout":0`))
				s.answer(1, 600)
				s.expect(complete(2, 1, 1))
				s.write(`{"jsonrpc":"2.0","method":"ReceiveDone","params":{"hport":1,"code":0,"data":"aWlp"}}`)
				s.answer(2, 0)
				s.expect(result(2, 0))
				s.request("SecurityDialogEnd", `"hport":1`)
				s.expect(result(3, 619))

				// Rule R7: a drop is told once.
				s.begin(2, `"drop"`)
				s.expect(asked(3, "DialogReceive", `"hport":2,"size":100,"timeout":0`))
				s.answer(3, 600)
				s.write(`{"jsonrpc":"2.0","method":"ReceiveDone","params":{"hport":2,"code":619,"data":""}}`)
				s.expect(asked(4, "DialogReceive", `"hport":2,"size":100,"timeout":0`))
				s.answer(4, 619)
				s.expect(asked(5, "DialogSend", `"hport":2,"data":"eA=="`))
				s.answer(5, 619)
				s.expect(result(4, 0))
				s.request("SecurityDialogEnd", `"hport":2`)
				s.expect(result(5, 619))

				// Rule E3: the Complete that is owed closes the transaction; a second is not even sent.
				s.begin(3, `"defer"`)
				s.expect(result(6, 0))
				s.request("SecurityDialogEnd", `"hport":3`)
				s.expect(result(7, 0), complete(6, 3, 1))
				s.answer(6, 0)
				s.waitFor("closed")

				// It may come before End has returned.
				s.begin(4, `"pay"`)
				s.expect(result(8, 0))
				s.request("SecurityDialogEnd", `"hport":4`)
				s.expect(complete(7, 4, 2))
				s.answer(7, 0)
				s.expect(result(9, 0))

				// Rule C1: handles that nobody has.
				s.begin(5, `"strange"`)
				s.expect(result(10, 0))
				s.request("SecurityDialogEnd", `"hport":5`)
				s.expect(result(11, 619))

				s.stdin.Close()
				s.end(0)
				if text := s.stderr.String(); text != "closed\n" {
					t.Errorf("stderr: %s", text)
				}
			})
		}
	}
}

// A process that serves many calls does not grow with them: the buffers of old ones are unmapped in the end (256 stay).
func TestManyCalls(t *testing.T) {
	s := open(t, rasdll(t, ""), "--safe", "shared", library(t, "rules.c"))
	s.hello("rules.so", "shared")
	for hport := 1; hport <= 2000; hport++ {
		s.begin(hport, `"none"`)
		got, err := s.stdout.ReadString('\n')
		if err != nil || !strings.Contains(got, `"code":`) || strings.Contains(got, `"code":8}`) {
			t.Fatalf("call %d: got %q, %v", hport, got, err)
		}
	}
	maps := start(t, "cat", "", fmt.Sprintf("/proc/%d/maps", s.cmd.Process.Pid)).stdout
	if n := strings.Count(maps, "\n"); n < 256 || n > 256*8+200 {
		t.Errorf("%d mappings after 2000 calls", n)
	}
	s.stdin.Close()
	s.end(0)
}
