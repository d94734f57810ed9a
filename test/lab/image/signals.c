/* Preloaded into QEMU, it gives the tty behind a "-chardev serial" the control signals that a pty lacks. QEMU hands the UART's MCR on
 * by TIOCMSET and asks for its MSR by TIOCMGET; a pty refuses both. Here they end in memory that the exchange shares, file descriptor
 * $LAB_SIGNALS: one record for each pty, at its number. A pty whose record is not in use is left alone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

struct record { /* exchange.go has the same */
	_Atomic uint32_t used;   /* by the exchange: 1 when the pty is a line */
	_Atomic uint32_t dce;    /* by the exchange: TIOCM_CTS, _DSR, _CAR, _RNG */
	_Atomic uint32_t dte;    /* by QEMU: TIOCM_DTR, _RTS */
	_Atomic uint32_t breaks; /* by QEMU: how many it sent */
	_Atomic uint32_t cflag;  /* by QEMU: speed and frame */
	_Atomic uint32_t drops;  /* by QEMU: how often DTR fell */
	uint32_t spare[2];
};

#define DTE (TIOCM_DTR | TIOCM_RTS)
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* find returns the record of the pty that fd is, NULL for anything else. */
static struct record *find(int fd)
{
	static struct record *table;
	static long size;
	if (!table) {
		const char *shared = getenv("LAB_SIGNALS");
		struct stat st;
		if (!shared || fstat(atoi(shared), &st))
			return NULL;
		void *p = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, atoi(shared), 0);
		if (p == MAP_FAILED)
			return NULL;
		size = st.st_size / sizeof *table;
		table = p;
	}
	char link[32], path[64];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof path - 1);
	if (n <= 0)
		return NULL;
	path[n] = 0;
	long number;
	if (sscanf(path, "/dev/pts/%ld", &number) != 1 || number < 0 || number >= size || !table[number].used)
		return NULL;
	return &table[number];
}

static void set(struct record *r, uint32_t on)
{
	uint32_t before = atomic_exchange(&r->dte, on & DTE);
	if (before & TIOCM_DTR && !(on & TIOCM_DTR))
		atomic_fetch_add(&r->drops, 1);
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list list;
	va_start(list, request);
	void *arg = va_arg(list, void *);
	va_end(list);
	if (request == TIOCMGET || request == TIOCMSET || request == TIOCMBIS || request == TIOCMBIC) {
		struct record *r = find(fd);
		if (r) {
			uint32_t bits = *(uint32_t *)arg;
			switch (request) {
			case TIOCMGET: *(uint32_t *)arg = (r->dte & DTE) | (r->dce & ~DTE); break;
			case TIOCMSET: set(r, bits); break;
			case TIOCMBIS: set(r, r->dte | bits); break;
			case TIOCMBIC: set(r, r->dte & ~bits); break;
			}
			return 0;
		}
	}
	static __typeof__(&ioctl) next;
	if (!next)
		next = REAL(ioctl);
	return next(fd, request, arg);
}

int tcsendbreak(int fd, int duration)
{
	struct record *r = find(fd);
	if (!r)
		return REAL(tcsendbreak)(fd, duration);
	atomic_fetch_add(&r->breaks, 1);
	return 0;
}

int tcsetattr(int fd, int when, const struct termios *t)
{
	struct record *r = find(fd);
	if (r)
		r->cflag = t->c_cflag;
	return REAL(tcsetattr)(fd, when, t);
}
