/* lost.c: a security library that calls two functions which nobody has. */
#include <windows.h>
#include <rasshost.h>

DWORD AskTheMainframe(HPORT hPort);
DWORD ForgetTheMainframe(HPORT hPort);

DWORD WINAPI RasSecurityDialogBegin(HPORT hPort, PBYTE pSendBuf, DWORD SendBufSize, PBYTE pRecvBuf, DWORD RecvBufSize,
                                    VOID (WINAPI *RasSecurityDialogComplete)(SECURITY_MESSAGE *))
{
    UNREFERENCED_PARAMETER(pSendBuf);
    UNREFERENCED_PARAMETER(SendBufSize);
    UNREFERENCED_PARAMETER(pRecvBuf);
    UNREFERENCED_PARAMETER(RecvBufSize);
    UNREFERENCED_PARAMETER(RasSecurityDialogComplete);
    return AskTheMainframe(hPort);
}

DWORD WINAPI RasSecurityDialogEnd(HPORT hPort)
{
    return ForgetTheMainframe(hPort);
}
