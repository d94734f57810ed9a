/* mprapi.h: the lengths of names, without their NUL. There is no other part of the router's interface. */
#ifndef RASHOST_MPRAPI_H
#define RASHOST_MPRAPI_H

#include "windows.h"
#include "lmcons.h"

#define MAX_DEVICE_NAME 128
#define MAX_PORT_NAME 16
#define MAX_MEDIA_NAME 16
#define MAX_DEVICETYPE_NAME 16

#endif
