// Package rasdll holds the sources of rasdll, the program in C that runs RAS security libraries (docs/native.md), in src, and its tests. It
// has no Go code of its own: `make rasdll` builds the program with gcc, by rules.mk.
package rasdll
