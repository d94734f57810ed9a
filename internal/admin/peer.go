package admin

import (
	"context"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// Peer is the process at the other end of the socket, as the kernel knows it.
type Peer struct {
	UID, GID uint32
	PID      int32
	Known    bool
}

type peerKey struct{}

// withPeer keeps the credentials of a connection in its context.
func withPeer(ctx context.Context, conn net.Conn) context.Context {
	u, ok := conn.(syscall.Conn)
	if !ok {
		return ctx
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return ctx
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil || credErr != nil {
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, Peer{UID: cred.Uid, GID: cred.Gid, PID: cred.Pid, Known: true})
}

func peerOf(ctx context.Context) Peer {
	p, _ := ctx.Value(peerKey{}).(Peer)
	return p
}
