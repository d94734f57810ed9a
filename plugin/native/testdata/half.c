/* half.c: a security library without RasSecurityDialogEnd. */
#include <windows.h>
#include <rasshost.h>

DWORD WINAPI RasSecurityDialogBegin(HPORT hPort, PBYTE pSendBuf, DWORD SendBufSize, PBYTE pRecvBuf, DWORD RecvBufSize,
                                    VOID (WINAPI *RasSecurityDialogComplete)(SECURITY_MESSAGE *))
{
    UNREFERENCED_PARAMETER(hPort);
    UNREFERENCED_PARAMETER(pSendBuf);
    UNREFERENCED_PARAMETER(SendBufSize);
    UNREFERENCED_PARAMETER(pRecvBuf);
    UNREFERENCED_PARAMETER(RecvBufSize);
    UNREFERENCED_PARAMETER(RasSecurityDialogComplete);
    return ERROR_CALL_NOT_IMPLEMENTED;
}
