# rasdll, the program that runs RAS security libraries (docs/native.md). Included by the Makefile; paths are from the root of the sources.
# `make rasdll RASDLL_SANITIZE=address,undefined` builds one that finds faults, its own and those of libraries.

RASDLL_CC ?= gcc
RASDLL ?= bin/rasdll
RASDLL_SANITIZE ?=
RASDLL_SOURCES := $(wildcard cmd/rasdll/src/*.c)
RASDLL_HEADERS := $(wildcard cmd/rasdll/src/*.h plugin/native/include/*.h)
RASDLL_CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Werror -Wshadow -Wmissing-prototypes -Wformat=2 \
	-fms-extensions -fshort-wchar -fvisibility=hidden -pthread -D_GNU_SOURCE -Iplugin/native/include \
	-fPIE -fstack-protector-strong -fstack-clash-protection
ifeq ($(RASDLL_SANITIZE),)
RASDLL_CFLAGS += -D_FORTIFY_SOURCE=2
else
RASDLL_CFLAGS += -fsanitize=$(RASDLL_SANITIZE) -fno-sanitize-recover=all
endif
# -rdynamic: the library finds its Windows in rasdll itself.
RASDLL_LDFLAGS := -pie -rdynamic -Wl,-z,relro,-z,now,-z,noexecstack -ldl

.PHONY: rasdll
rasdll: $(RASDLL) ## build bin/rasdll, which runs RAS security libraries (needs gcc)

$(RASDLL): $(RASDLL_SOURCES) $(RASDLL_HEADERS) cmd/rasdll/rules.mk
	@mkdir -p $(dir $@)
	$(RASDLL_CC) $(RASDLL_CFLAGS) $(RASDLL_SOURCES) -o $@ $(RASDLL_LDFLAGS)
