package users

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"time"

	"gopkg.in/yaml.v3"
)

// fileVersion is the version field of the user file.
const fileVersion = 1

const fileHeader = "# Users of rashost. Change it with: rashost user add|passwd|remove\n"

// userFile is the document as it is written; parse.go reads it.
type userFile struct {
	Version int        `yaml:"version"`
	Users   []userText `yaml:"users"`
}

// userText is one user as it is written.
type userText struct {
	Name     string               `yaml:"name"`
	Hash     string               `yaml:"hash,omitempty"`
	SCRAM    map[string]scramText `yaml:"scram,omitempty"`
	Digest   []digestText         `yaml:"digest,omitempty"`
	Secret   string               `yaml:"secret,omitempty"`
	OTP      *otpText             `yaml:"otp,omitempty"`
	Disabled bool                 `yaml:"disabled,omitempty"`
	Created  time.Time            `yaml:"created,omitempty"`
	Changed  time.Time            `yaml:"changed,omitempty"`
}

type scramText struct {
	Iterations int    `yaml:"iterations"`
	Salt       string `yaml:"salt"`
	StoredKey  string `yaml:"stored_key"`
	ServerKey  string `yaml:"server_key"`
}

type digestText struct {
	Realm     string `yaml:"realm"`
	Algorithm string `yaml:"algorithm"`
	HA1       string `yaml:"ha1"`
	Latin1    string `yaml:"latin1,omitempty"`
}

type otpText struct {
	Algorithm string `yaml:"algorithm"`
	Seed      string `yaml:"seed"`
	Sequence  int    `yaml:"sequence"`
	Last      string `yaml:"last"`
}

// formatUsers writes the user file.
func formatUsers(users []Account) ([]byte, error) {
	file := userFile{Version: fileVersion, Users: make([]userText, len(users))}
	for i, u := range users {
		file.Users[i] = textOf(u)
	}
	var out bytes.Buffer
	out.WriteString(fileHeader)
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(file); err != nil {
		return nil, err
	}
	return out.Bytes(), encoder.Close()
}

// textOf is a user as it is written.
func textOf(u Account) userText {
	t := userText{Name: u.Name, Hash: u.Hash, Secret: u.Secret, Disabled: u.Disabled, Created: u.Created, Changed: u.Changed}
	base64Of := base64.StdEncoding.EncodeToString
	for mechanism, k := range u.SCRAM {
		if t.SCRAM == nil {
			t.SCRAM = map[string]scramText{}
		}
		t.SCRAM[mechanism] = scramText{k.Iterations, base64Of(k.Salt), base64Of(k.StoredKey), base64Of(k.ServerKey)}
	}
	for _, k := range u.Digest {
		t.Digest = append(t.Digest, digestText{k.Realm, k.Algorithm, hex.EncodeToString(k.HA1), hex.EncodeToString(k.Latin1)})
	}
	if o := u.OTP; o != nil {
		t.OTP = &otpText{o.Algorithm, o.Seed, o.Sequence, hex.EncodeToString(o.Last)}
	}
	return t
}
