/*
 * oldtimer.c: a security library from the days before rasshost.h had a HANDLE for HPORT. It declares what it needs of that header itself,
 * so that nothing in the library says how large its HPORT is.
 */
#include <windows.h>

typedef DWORD HPORT;

typedef struct _SECURITY_MESSAGE {
    DWORD dwMsgId;
    HPORT hPort;
    DWORD dwError;
    CHAR UserName[257];
    CHAR Domain[16];
} SECURITY_MESSAGE;

typedef char SECURITY_MESSAGE_HAS_288_BYTES[sizeof(SECURITY_MESSAGE) == 288 ? 1 : -1];

DWORD WINAPI RasSecurityDialogBegin(HPORT hPort, PBYTE pSendBuf, DWORD SendBufSize, PBYTE pRecvBuf, DWORD RecvBufSize,
                                    VOID (WINAPI *RasSecurityDialogComplete)(SECURITY_MESSAGE *))
{
    SECURITY_MESSAGE msg;

    UNREFERENCED_PARAMETER(pSendBuf);
    UNREFERENCED_PARAMETER(SendBufSize);
    UNREFERENCED_PARAMETER(pRecvBuf);
    UNREFERENCED_PARAMETER(RecvBufSize);
    ZeroMemory(&msg, sizeof(msg));
    msg.dwMsgId = 1;
    msg.hPort = hPort;
    lstrcpy(msg.UserName, "oldtimer");
    lstrcpy(msg.Domain, "OLD");
    RasSecurityDialogComplete(&msg);
    return 0;
}

DWORD WINAPI RasSecurityDialogEnd(HPORT hPort)
{
    UNREFERENCED_PARAMETER(hPort);
    return 619;
}
