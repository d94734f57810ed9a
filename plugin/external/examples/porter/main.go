// Porter is a security plugin for rashost. Usage: porter FILE, which has a line NAME:PASSWORD for every guest.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

type message struct {
	ID     int
	Method string
	Params struct {
		HPort int
		Data  []byte // encoding/json knows base64
	}
}

func say(format string, args ...any) { fmt.Printf(`{"jsonrpc":"2.0",`+format+"}\n", args...) }

func await(in *json.Decoder, method string) (m message) { // End may come at any time
	for m.Method != method {
		if m = (message{}); in.Decode(&m) != nil {
			os.Exit(0) // the host has closed our input
		}
		if m.Method == "SecurityDialogEnd" {
			say(`"id":%d,"result":{"code":619}`, m.ID) // ERROR_PORT_DISCONNECTED
		}
	}
	return m
}

func readLine(in *json.Decoder, hport int, prompt string, echo int) (line string) { // sends the first echo bytes of each key back
	for key, text := "", prompt; key != "\r"; key, text = string(await(in, "ReceiveDone").Params.Data), "" {
		if " " <= key && key <= "~" && len(line) < 64 {
			line, text = line+key, key[:echo]
		}
		data, _ := json.Marshal([]byte(text))
		say(`"method":"DialogSend","params":{"hport":%d,"data":%s}`, hport, data)
		say(`"method":"DialogReceive","params":{"hport":%d,"size":1,"timeout":0}`, hport)
	}
	return line
}

func main() {
	guests, _ := os.ReadFile(os.Args[1])
	in := json.NewDecoder(os.Stdin)
	say(`"id":%d,"result":{"version":1,"name":"porter","isolation":"call"}`, await(in, "Hello").ID)
	begin := await(in, "SecurityDialogBegin")
	say(`"id":%d,"result":{"code":0}`, begin.ID)
	name, secret := readLine(in, begin.Params.HPort, "Name: ", 1), readLine(in, begin.Params.HPort, "\r\nPassword: ", 0)
	verdict := 2 // failure
	if strings.Contains("\n"+string(guests), "\n"+name+":"+secret+"\n") {
		verdict = 1 // success
	}
	say(`"method":"DialogComplete","params":{"hport":%d,"msgid":%d,"error":0,"user":%q,"domain":""}`, begin.Params.HPort, verdict, name)
	await(in, "the end of our input")
}
