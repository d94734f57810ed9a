/* Preloaded into QEMU, it makes a tty with control signals of the socket behind a "-chardev serial". QEMU hands the UART's MCR on by
 * TIOCMSET and asks for its MSR by TIOCMGET. Here they end in memory that the exchange shares, file descriptor $LAB_SIGNALS: one record
 * for each line, with the inode of its socket. Everything else is left alone. */
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
	_Atomic uint32_t inode;  /* by the exchange: the socket; 0 in the first record that is not in use */
	_Atomic uint32_t dce;    /* by the exchange: TIOCM_CTS, _DSR, _CAR, _RNG */
	_Atomic uint32_t dte;    /* by QEMU: TIOCM_DTR, _RTS */
	_Atomic uint32_t breaks; /* by QEMU: how many it sent */
	_Atomic uint32_t cflag;  /* by QEMU: speed and frame */
	_Atomic uint32_t drops;  /* by QEMU: how often DTR fell */
	uint32_t spare[2];
};

#define DTE (TIOCM_DTR | TIOCM_RTS)
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* find returns the record of the line that fd is, NULL for anything else. */
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
	struct stat st;
	if (fstat(fd, &st) || !S_ISSOCK(st.st_mode))
		return NULL;
	for (long i = 0; i < size && table[i].inode; i++)
		if (table[i].inode == (uint32_t)st.st_ino)
			return &table[i];
	return NULL;
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
	if (!r)
		return REAL(tcsetattr)(fd, when, t);
	r->cflag = t->c_cflag;
	return 0;
}
