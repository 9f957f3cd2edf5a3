// Package uuid has what AWS's plugin calls of github.com/twinj/uuid as it was in 2015: the plugin keeps that version beside its
// own source and names no other, and the module proxy serves only the first one with another interface.
package uuid

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strings"
)

// UUID is one, or nil.
type UUID interface {
	Bytes() []byte
	String() string
}

// Format is how they are written; there is one here.
type Format string

// CleanHyphen is small letters with hyphens.
const CleanHyphen Format = "8-4-4-4-12"

// SwitchFormat changes nothing.
func SwitchFormat(Format) {}

type value [16]byte

func (v *value) Bytes() []byte { return v[:] }

func (v *value) String() string {
	text := hex.EncodeToString(v[:])
	return strings.Join([]string{text[:8], text[8:12], text[12:16], text[16:20], text[20:]}, "-")
}

// New is the one of 16 bytes.
func New(bytes []byte) UUID {
	var made value
	copy(made[:], bytes)
	return &made
}

// NewV4 is a random one.
func NewV4() UUID {
	var made value
	rand.Read(made[:])
	made[6] = made[6]&0x0f | 0x40
	made[8] = made[8]&0x3f | 0x80
	return &made
}

// Parse is the one that a text says.
func Parse(text string) (UUID, error) {
	bytes, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(bytes) != 16 {
		return nil, errors.New("no UUID: " + text)
	}
	return New(bytes), nil
}
