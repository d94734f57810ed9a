/*
 * rasshost.h: the interface between a RAS host and its security library. Layout and names are those of the Windows SDK.
 *
 * HPORT is a HANDLE, as in the SDK's last versions. Sources from before that, which keep an HPORT in a DWORD, are compiled with
 * -DRASSHOST_HPORT_DWORD. Either way the library says in the symbol rasshost_hport_size which it has, and rasdll reads it there.
 */
#ifndef _RASSHOST_
#define _RASSHOST_

#include "windows.h"
#include "mprapi.h"

#ifdef RASSHOST_HPORT_DWORD
typedef DWORD HPORT;
#else
typedef HANDLE HPORT;
#endif

typedef struct _SECURITY_MESSAGE {
    DWORD dwMsgId;
    HPORT hPort;
    DWORD dwError;
    CHAR UserName[UNLEN + 1];
    CHAR Domain[DNLEN + 1];
} SECURITY_MESSAGE, *PSECURITY_MESSAGE;

#define SECURITYMSG_SUCCESS 1
#define SECURITYMSG_FAILURE 2
#define SECURITYMSG_ERROR 3

typedef struct _RAS_SECURITY_INFO {
    DWORD LastError;
    DWORD BytesReceived;
    CHAR DeviceName[MAX_DEVICE_NAME + 1];
} RAS_SECURITY_INFO, *PRAS_SECURITY_INFO;

/* Send, Receive and GetInfo: GetProcAddress finds them in LoadLibrary("RASMAN.DLL"). */
typedef DWORD (WINAPI *RASSECURITYPROC)();

RASHOST_C_BEGIN

/* The library's own, which it must export. */
DWORD WINAPI RasSecurityDialogBegin(HPORT hPort, PBYTE pSendBuf, DWORD SendBufSize, PBYTE pRecvBuf, DWORD RecvBufSize,
                                    VOID (WINAPI *RasSecurityDialogComplete)(SECURITY_MESSAGE *));
DWORD WINAPI RasSecurityDialogEnd(HPORT hPort);

#ifndef RASSHOST_NO_HPORT_SIZE
extern __attribute__((weak, visibility("default"))) BYTE rasshost_hport_size;
__attribute__((weak, used, visibility("default"))) BYTE rasshost_hport_size = sizeof(HPORT);
#endif

RASHOST_C_END

#ifdef __cplusplus
#define RASSHOST_LAYOUT(condition) static_assert(condition, "the layout of rasshost.h: no #pragma pack may be in force")
#else
#define RASSHOST_LAYOUT(condition) _Static_assert(condition, "the layout of rasshost.h: no #pragma pack may be in force")
#endif
#ifdef RASSHOST_HPORT_DWORD
RASSHOST_LAYOUT(sizeof(SECURITY_MESSAGE) == 288 && offsetof(SECURITY_MESSAGE, UserName) == 12 && offsetof(SECURITY_MESSAGE, Domain) == 269);
#else
RASSHOST_LAYOUT(sizeof(SECURITY_MESSAGE) == 296 && offsetof(SECURITY_MESSAGE, UserName) == 20 && offsetof(SECURITY_MESSAGE, Domain) == 277);
#endif
RASSHOST_LAYOUT(sizeof(RAS_SECURITY_INFO) == 140 && offsetof(RAS_SECURITY_INFO, DeviceName) == 8);

#endif
