# mpart: build, test, install. `make help` lists the targets.
# Invariant: everything built goes to build/ (one folder per set of flags), except the program itself, ./mpart.

CC = mpicc
VERSION := 0.1.0
PREFIX ?= /usr/local
PKGS := hdf5-openmpi zlib libzstd libxxhash libpcre2-8 jansson
V ?= 0
SAN ?= 0
Q := $(if $(filter 1,$(V)),,@)

WARN := -Wall -Wextra -Wshadow -Wconversion -Wvla -Wstrict-prototypes -Wmissing-prototypes
OPT := -O3 -g -fno-plt
CFLAGS_BASE := -std=gnu17 -D_GNU_SOURCE $(WARN) -ffp-contract=off -fno-strict-aliasing -fPIC -Isrc -Iinclude
LDLIBS := -lm
ifeq ($(SAN),1)
OPT := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
B := build/san
PROGRAM := build/san/mpart
else
B := build
PROGRAM := mpart
endif
GOALS := $(or $(MAKECMDGOALS),all)
NO_BUILD := clean deps help format
ifneq ($(filter-out $(NO_BUILD),$(GOALS)),)
HAVE_PKGS := $(shell command -v mpicc >/dev/null 2>&1 && pkg-config --exists $(PKGS) 2>/dev/null && echo yes)
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null)
endif
CFLAGS_ALL = $(CFLAGS_BASE) $(OPT) $(patsubst -I%,-isystem %,$(PKG_CFLAGS)) $(CFLAGS)
LDFLAGS_ALL = $(OPT) $(LDFLAGS)

SRCS := $(sort $(wildcard src/*/*.c))
# Files named *_avx2.c and *_avx512.c are one kernel source compiled once per SIMD level.
OBJS := $(SRCS:src/%.c=$(B)/obj/%.o)
LIB_OBJS := $(filter-out $(B)/obj/cli/main.o,$(OBJS))
UNIT := $(patsubst tests/%.c,$(B)/tests/%,$(sort $(wildcard tests/unit/test_*.c)))
MPIT := $(patsubst tests/%.c,$(B)/tests/%,$(sort $(wildcard tests/mpi/test_*.c)))

.PHONY: all demo check check-unit check-mpi check-cli check-layers check-long check-slurm bench \
        install uninstall clean deps format help FORCE
.DELETE_ON_ERROR:
.SECONDARY:

all: $(PROGRAM) $(B)/libmpart.a $(B)/libmpart.so

# The first build on a fresh machine installs what is missing.
ifneq ($(HAVE_PKGS),yes)
$(OBJS): | deps
endif

deps:
	$(Q)scripts/install-deps.sh

# A change of flags rebuilds everything.
$(B)/flags: FORCE
	@mkdir -p $(B)
	@echo '$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL)' | cmp -s - $@ || echo '$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL)' > $@

$(B)/version.h: FORCE
	@mkdir -p $(B)
	@printf '#define MP_VERSION "%s"\n#define MP_COMMIT "%s"\n' '$(VERSION)' \
	  "$$(git describe --always --dirty --abbrev=10 2>/dev/null || echo unknown)" > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

simd_avx2 := -mavx2 -mbmi -mbmi2 -mlzcnt -mpopcnt
simd_avx512 := $(simd_avx2) -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vbmi -mavx512vbmi2
$(B)/obj/%_avx2.o: SIMD_FLAGS = $(simd_avx2)
$(B)/obj/%_avx512.o: SIMD_FLAGS = $(simd_avx512)
$(B)/obj/cli/version.o: $(B)/version.h
$(B)/obj/cli/version.o: SIMD_FLAGS = -I$(B)

$(B)/obj/%.o: src/%.c $(B)/flags Makefile
	@mkdir -p $(@D)
	@$(if $(filter 1,$(V)),,echo '  CC    $<')
	$(Q)pkgc=$$(pkg-config --cflags $(PKGS) | sed 's/-I/-isystem /g'); \
	  $(CC) $(CFLAGS_BASE) $(OPT) $$pkgc $(CFLAGS) $(SIMD_FLAGS) -MMD -MP -c $< -o $@

$(B)/libmpart.a: $(LIB_OBJS)
	@$(if $(filter 1,$(V)),,echo '  AR    $@')
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/libmpart.so: $(LIB_OBJS)
	@$(if $(filter 1,$(V)),,echo '  LD    $@')
	$(Q)$(CC) -shared -Wl,-soname,libmpart.so.0 $(LDFLAGS_ALL) $^ -o $@ $$(pkg-config --libs $(PKGS)) $(LDLIBS)

$(PROGRAM): $(B)/obj/cli/main.o $(B)/libmpart.a
	@$(if $(filter 1,$(V)),,echo '  LD    $@')
	$(Q)$(CC) $(LDFLAGS_ALL) $^ -o $@ $$(pkg-config --libs $(PKGS)) $(LDLIBS)

$(B)/tests/%: tests/%.c $(B)/libmpart.a $(B)/flags
	@mkdir -p $(@D)
	@$(if $(filter 1,$(V)),,echo '  CC    $<')
	$(Q)pkgc=$$(pkg-config --cflags $(PKGS) cmocka | sed 's/-I/-isystem /g'); \
	  $(CC) $(CFLAGS_BASE) $(OPT) $$pkgc $(CFLAGS) -MMD -MP $< $(B)/libmpart.a -o $@ \
	  $(LDFLAGS) $$(pkg-config --libs $(PKGS) cmocka) $(LDLIBS)

check: all $(UNIT) $(MPIT)
	$(Q)MPART=$(abspath $(PROGRAM)) BUILD=$(B) SAN=$(SAN) scripts/check.sh layers unit mpi cli slurm
check-unit: $(UNIT)
	$(Q)BUILD=$(B) SAN=$(SAN) scripts/check.sh unit
check-mpi: $(MPIT)
	$(Q)BUILD=$(B) SAN=$(SAN) scripts/check.sh mpi
check-cli: $(PROGRAM)
	$(Q)MPART=$(abspath $(PROGRAM)) BUILD=$(B) SAN=$(SAN) scripts/check.sh cli
check-long: all $(UNIT) $(MPIT)
	$(Q)MPART=$(abspath $(PROGRAM)) BUILD=$(B) SAN=$(SAN) scripts/check.sh long
check-slurm: $(PROGRAM)
	$(Q)MPART=$(abspath $(PROGRAM)) tests/cluster/slurm-one-machine.sh
check-layers:
	$(Q)scripts/check-layers.sh

demo: $(PROGRAM)
	$(Q)scripts/demo.sh

bench: $(PROGRAM)
	$(Q)scripts/bench/run.sh $(BENCH_ARGS)

format:
	$(Q)clang-format -i $$(git ls-files 'src/*.[ch]' 'include/*.h' 'tests/*.[ch]' | grep -v table)

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include/mpart
	install -m 755 $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/mpart
	install -m 644 $(B)/libmpart.a $(DESTDIR)$(PREFIX)/lib/
	install -m 755 $(B)/libmpart.so $(DESTDIR)$(PREFIX)/lib/libmpart.so.0
	ln -sf libmpart.so.0 $(DESTDIR)$(PREFIX)/lib/libmpart.so
	install -m 644 include/mpart/*.h $(DESTDIR)$(PREFIX)/include/mpart/
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' -e 's|@REQUIRES@|$(PKGS)|' scripts/mpart.pc.in \
	  > $(DESTDIR)$(PREFIX)/lib/pkgconfig/mpart.pc

uninstall:
	rm -rf $(DESTDIR)$(PREFIX)/bin/mpart $(DESTDIR)$(PREFIX)/lib/libmpart.* \
	  $(DESTDIR)$(PREFIX)/include/mpart $(DESTDIR)$(PREFIX)/lib/pkgconfig/mpart.pc

clean:
	rm -rf build mpart

help:
	@echo 'make [all]       ./mpart, build/libmpart.a, build/libmpart.so'
	@echo 'make demo        sample data, the main job on 4 ranks, its answer'
	@echo 'make check       every test (check-unit, check-mpi, check-cli, check-layers, check-slurm)'
	@echo 'make check-long  long series: sanitizers, many ranks, many runs'
	@echo 'make bench       seconds and ratios against other engines'
	@echo 'make install     PREFIX=/usr/local DESTDIR='
	@echo 'make format      clang-format on every source'
	@echo 'variables        V=1 shows commands, SAN=1 builds with sanitizers into build/san'

-include $(wildcard $(B)/obj/*/*.d) $(wildcard $(B)/tests/*/*.d)
