package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"
)

// PPPReport is what pppd's ip-pre-up reports before a PPP link comes up. Its texts come from the caller, through pppd.
type PPPReport struct {
	// Call is the id of the call that pppd was started for, Peer the name under which pppd authenticated the caller, "" for nobody.
	Call string `json:"call"`
	Peer string `json:"peer"`
	// Interface is the network interface, Remote the caller's address.
	Interface string `json:"interface"`
	Remote    string `json:"remote"`
}

// pppTime bounds the answer: pppd waits for it with the link half up.
const pppTime = 10 * time.Second

// preUp answers pppd's ip-pre-up. pppd runs it as root; nobody else but ourselves may report.
func (s *Server) preUp(w http.ResponseWriter, r *http.Request) {
	peer := peerOf(r.Context())
	log := s.log.With("request", "ppp pre-up", "uid", peer.UID, "gid", peer.GID, "pid", peer.PID)
	if !peer.Known || peer.UID != 0 && int(peer.UID) != os.Geteuid() {
		log.Warn("control request refused: only pppd's own hook may report")
		s.fail(w, http.StatusForbidden, "only the hook that pppd runs may report")
		return
	}
	var report PPPReport
	if err := json.NewDecoder(r.Body).Decode(&report); err != nil {
		log.Warn("control request refused", "error", fmt.Sprintf("%.200q", err.Error()))
		s.fail(w, http.StatusBadRequest, "the report cannot be read")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), pppTime)
	defer cancel()
	if err := s.host.PPPPreUp(ctx, peer, report); err != nil {
		log.Warn("PPP link refused", "call", fmt.Sprintf("%.40q", report.Call), "why", fmt.Sprintf("%.200q", err.Error()))
		s.failWith(w, err)
		return
	}
	log.Debug("PPP link allowed", "call", fmt.Sprintf("%.40q", report.Call))
	s.reply(w, http.StatusOK, struct{}{})
}

// PPPPreUp asks whether a PPP link may come up: with nil it may.
func (c *Client) PPPPreUp(ctx context.Context, report PPPReport) error {
	body, err := json.Marshal(report)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://rashost/v1/ppp/pre-up", bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := c.send(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
