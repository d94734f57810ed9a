/* lmcons.h: the lengths of names, without their NUL. */
#ifndef RASHOST_LMCONS_H
#define RASHOST_LMCONS_H

#define CNLEN 15
#define DNLEN CNLEN
#define UNCLEN (CNLEN + 2)
#define UNLEN 256
#define GNLEN UNLEN
#define PWLEN 256
#define NETBIOS_NAME_LEN 16

#endif
