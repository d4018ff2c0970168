# mpart: build, test, install. `make help` lists the targets.
# Invariant: everything built goes to build/ (build/san with sanitizers), except the program, ./mpart.

CC = mpicc
VERSION := 0.1.0
PREFIX ?= /usr/local
PKGS := hdf5-openmpi zlib libdeflate libisal libzstd libxxhash libpcre2-8 jansson
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
NO_BUILD := clean deps help format check-layers uninstall
TEST_TOOLS := python3 sqlite3 zstd pgrep redis-cli
ifneq ($(filter-out $(NO_BUILD),$(GOALS)),)
TESTING := $(filter check% bench,$(GOALS))
MISSING := $(shell for tool in mpicc mpirun pkg-config $(if $(TESTING),$(TEST_TOOLS)); do \
  command -v $$tool >/dev/null 2>&1 || echo $$tool; done; \
  pkg-config --exists $(PKGS) $(if $(TESTING),cmocka) 2>/dev/null || echo libraries)
endif

# Asked for in the recipes: what `make deps` installs is not there yet when this file is read.
PKG_CFLAGS = $$(pkg-config --cflags $(1) | sed 's/-I/-isystem /g')
PKG_LIBS = $$(pkg-config --libs $(1))
COMPILE = $(CC) $(CFLAGS_BASE) $(OPT) $(call PKG_CFLAGS,$(1)) $(CFLAGS)
LINK = $(CC) $(OPT) $(LDFLAGS)
say = @$(if $(filter 1,$(V)),:,echo '  $(1)')

SRCS := $(sort $(filter-out src/plugins/%,$(wildcard src/*/*.c src/*/*/*.c)))
# Plug-ins are built as anybody's would be: against the public headers alone.
PLUGINS := $(patsubst src/plugins/%.c,$(B)/plugins/%.so,$(sort $(wildcard src/plugins/*.c)))
TEST_PLUGINS := $(patsubst tests/plugins/%.c,$(B)/tests/plugins/%.so,$(sort $(wildcard tests/plugins/*.c)))
SHIPPED := $(filter-out %/hostile.so,$(PLUGINS))
# Files named *_avx2.c and *_avx512.c are one kernel source compiled once per SIMD level.
OBJS := $(SRCS:src/%.c=$(B)/obj/%.o)
LIB_OBJS := $(filter-out $(B)/obj/cli/main.o,$(OBJS))
UNIT := $(patsubst tests/%.c,$(B)/tests/%,$(sort $(wildcard tests/unit/test_*.c)))
MPIT := $(patsubst tests/%.c,$(B)/tests/%,$(sort $(wildcard tests/mpi/test_*.c)))

.PHONY: all demo check check-unit check-mpi check-cli check-layers check-long check-slurm bench \
        install uninstall clean deps format help FORCE
.DELETE_ON_ERROR:
.SECONDARY:

all: $(PROGRAM) $(B)/libmpart.a $(B)/libmpart.so $(PLUGINS)

# The first build on a fresh machine installs what is missing. All that is compiled waits for the
# stamp of the flags.
ifneq ($(MISSING),)
$(B)/flags: | deps
endif

deps:
	$(Q)scripts/install-deps.sh

# A change of flags rebuilds everything.
$(B)/flags: FORCE
	@mkdir -p $(B)
	@{ echo '$(CC) $(CFLAGS_BASE) $(OPT) $(CFLAGS) $(LDFLAGS)'; pkg-config --cflags --libs $(PKGS); } > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(B)/version.h: FORCE
	@mkdir -p $(B)
	@printf '#define MP_VERSION "%s"\n#define MP_COMMIT "%s"\n' '$(VERSION)' \
	  "$$(git describe --always --dirty --abbrev=10 2>/dev/null || echo unknown)" > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

simd_avx2 := -mavx2 -mbmi -mbmi2 -mlzcnt -mpopcnt -mpclmul
simd_avx512 := $(simd_avx2) -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vbmi -mavx512vbmi2
$(B)/obj/%_avx2.o: SIMD_FLAGS = $(simd_avx2)
$(B)/obj/%_avx512.o: SIMD_FLAGS = $(simd_avx512)
$(B)/obj/cli/version.o: $(B)/version.h
$(B)/obj/cli/version.o: SIMD_FLAGS = -I$(B)

$(B)/obj/%.o: src/%.c $(B)/flags Makefile
	@mkdir -p $(@D)
	$(call say,CC    $<)
	$(Q)$(call COMPILE,$(PKGS)) $(SIMD_FLAGS) -MMD -MP -c $< -o $@

$(B)/libmpart.a: $(LIB_OBJS)
	$(call say,AR    $@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/libmpart.so: $(LIB_OBJS)
	$(call say,LD    $@)
	$(Q)$(LINK) -shared -Wl,-soname,libmpart.so.0 $^ -o $@ $(call PKG_LIBS,$(PKGS)) $(LDLIBS)

$(PROGRAM): $(B)/obj/cli/main.o $(B)/libmpart.a
	$(call say,LD    $@)
	$(Q)$(LINK) $^ -o $@ $(call PKG_LIBS,$(PKGS)) $(LDLIBS)

build_plugin = $(Q)cc -std=gnu17 -D_GNU_SOURCE $(WARN) $(OPT) -fPIC -Iinclude $(CFLAGS) $(LDFLAGS) -MMD -MP \
  -shared $< -o $@ -lm
$(B)/plugins/%.so: src/plugins/%.c $(B)/flags Makefile
	@mkdir -p $(@D)
	$(call say,CC    $<)
	$(build_plugin)
$(B)/tests/plugins/%.so: tests/plugins/%.c $(B)/flags Makefile
	@mkdir -p $(@D)
	$(call say,CC    $<)
	$(build_plugin)

$(B)/tests/%: tests/%.c $(B)/libmpart.a $(B)/flags Makefile
	@mkdir -p $(@D)
	$(call say,CC    $<)
	$(Q)$(call COMPILE,$(PKGS) cmocka) $(LDFLAGS) -MMD -MP $< $(B)/libmpart.a -o $@ \
	  $(call PKG_LIBS,$(PKGS) cmocka) $(LDLIBS)

check: all $(UNIT) $(MPIT) $(TEST_PLUGINS)
	$(Q)MPART=$(abspath $(PROGRAM)) BUILD=$(B) SAN=$(SAN) scripts/check.sh layers unit mpi slurm cli
check-unit: $(UNIT) $(PLUGINS) $(TEST_PLUGINS)
	$(Q)BUILD=$(B) SAN=$(SAN) scripts/check.sh unit
check-mpi: $(MPIT)
	$(Q)BUILD=$(B) SAN=$(SAN) scripts/check.sh mpi
check-cli: $(PROGRAM) $(PLUGINS) $(TEST_PLUGINS)
	$(Q)MPART=$(abspath $(PROGRAM)) BUILD=$(B) SAN=$(SAN) scripts/check.sh cli
check-long: all $(UNIT) $(MPIT) $(TEST_PLUGINS)
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
	@command -v clang-format >/dev/null || \
	  { echo 'clang-format is missing; install the package clang-format' >&2; exit 1; }
	$(Q)git ls-files 'src/*.[ch]' 'include/*.h' 'tests/*.[ch]' | grep -vE '_(table|vectors)\.[ch]$$' | \
	  xargs clang-format -i

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/lib/mpart \
	  $(DESTDIR)$(PREFIX)/include/mpart
	install -m 755 $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/mpart
	install -m 644 $(B)/libmpart.a $(DESTDIR)$(PREFIX)/lib/
	install -m 755 $(B)/libmpart.so $(DESTDIR)$(PREFIX)/lib/libmpart.so.0
	ln -sf libmpart.so.0 $(DESTDIR)$(PREFIX)/lib/libmpart.so
	install -m 755 $(SHIPPED) $(DESTDIR)$(PREFIX)/lib/mpart/
	install -m 644 include/mpart/*.h $(DESTDIR)$(PREFIX)/include/mpart/
	mpi=$$(pkg-config --exists mpi-c && echo mpi-c); \
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' -e "s|@MPI@|$$mpi|" -e 's|@REQUIRES@|$(PKGS)|' \
	  scripts/mpart.pc.in > $(DESTDIR)$(PREFIX)/lib/pkgconfig/mpart.pc
	@[ -n '$(DESTDIR)' ] || [ "$$(id -u)" != 0 ] || ldconfig

uninstall:
	rm -rf $(DESTDIR)$(PREFIX)/bin/mpart $(DESTDIR)$(PREFIX)/lib/libmpart.* \
	  $(DESTDIR)$(PREFIX)/lib/mpart $(DESTDIR)$(PREFIX)/include/mpart \
	  $(DESTDIR)$(PREFIX)/lib/pkgconfig/mpart.pc

clean:
	rm -rf build mpart

help:
	@echo 'make [all]       ./mpart, build/libmpart.a, build/libmpart.so, build/plugins/'
	@echo 'make demo        sample data, the main job on 4 ranks, its answer'
	@echo 'make check       every test (check-layers, check-unit, check-mpi, check-cli, check-slurm)'
	@echo 'make check-long  long series: sanitizers, many ranks, many runs'
	@echo 'make bench       seconds and ratios against other engines (BENCH_ARGS=--help lists its options)'
	@echo 'make install     PREFIX=/usr/local DESTDIR= (uninstall takes it away again)'
	@echo 'make deps        installs the Debian packages that are missing; the first build does so by itself'
	@echo 'make format      clang-format on every source'
	@echo 'make clean       removes everything built'
	@echo 'variables        V=1 shows commands, SAN=1 builds with sanitizers into build/san'

-include $(wildcard $(B)/obj/*/*.d $(B)/obj/*/*/*.d) $(wildcard $(B)/tests/*/*.d) $(wildcard $(B)/plugins/*.d)
