package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// ArmRequest asks to let a line answer for a while.
type ArmRequest struct {
	// For is how long, such as 15m. By is who is responsible for it, Reason what for: any text, none of them empty.
	For    string `json:"for"`
	By     string `json:"by"`
	Reason string `json:"reason"`
}

// ArmView is an arming in force.
type ArmView struct {
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	// UID and User are the account at the other end of the socket, as the kernel knows it; "" when it has no name.
	UID  uint32 `json:"uid"`
	User string `json:"user,omitempty"`
}

// armRoutes adds the requests for arming.
func (s *Server) armRoutes(mux *http.ServeMux) {
	mux.HandleFunc("POST /v1/lines/{name}/arm", s.changing("arm", func(ctx context.Context, line string, peer Peer, body []byte) (any, error) {
		var r ArmRequest
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&r); err != nil {
			return nil, Invalid(fmt.Errorf(`the body must be {"for": "15m", "by": "who", "reason": "why"}: %.200q`, err.Error()))
		}
		if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
			return nil, Invalid(errors.New("something follows the request"))
		}
		return s.host.Arm(ctx, line, peer, r)
	}))
	mux.HandleFunc("POST /v1/lines/{name}/disarm", s.changing("disarm", func(ctx context.Context, line string, peer Peer, _ []byte) (any, error) {
		return struct{}{}, s.host.Disarm(ctx, line, peer)
	}))
}

// Arm lets a line answer for a while. Errors: ErrNotFound, ErrConflict, ErrInvalid.
func (c *Client) Arm(ctx context.Context, line string, r ArmRequest) (ArmView, error) {
	var v ArmView
	body, err := json.Marshal(r)
	if err != nil {
		return v, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://rashost/v1/lines/"+url.PathEscape(line)+"/arm", bytes.NewReader(body))
	if err != nil {
		return v, err
	}
	resp, err := c.send(req)
	if err != nil {
		return v, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxEvent)).Decode(&v); err != nil {
		return v, fmt.Errorf("rashost at %s gave an answer that cannot be read: %w", c.path, err)
	}
	return v, nil
}
