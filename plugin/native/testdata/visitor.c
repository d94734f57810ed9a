/*
 * visitor.c: a security library that decides in Begin, without a word to the caller, and writes to the debugger whenever it is told of the
 * life of its process and threads.
 */
#include <windows.h>
#include <rasshost.h>
#include <raserror.h>

BOOL WINAPI DllMain(HINSTANCE hInstance, DWORD dwReason, LPVOID lpReserved)
{
    UNREFERENCED_PARAMETER(hInstance);
    UNREFERENCED_PARAMETER(lpReserved);
    switch (dwReason) {
    case DLL_PROCESS_ATTACH:
#ifdef REFUSE_TO_LOAD
        return FALSE;
#endif
        OutputDebugString("visitor: process attach\n");
        break;
    case DLL_PROCESS_DETACH:
        OutputDebugString("visitor: process detach\n");
        break;
    }
    return TRUE;
}

DWORD WINAPI RasSecurityDialogBegin(HPORT hPort, PBYTE pSendBuf, DWORD SendBufSize, PBYTE pRecvBuf, DWORD RecvBufSize,
                                    VOID (WINAPI *RasSecurityDialogComplete)(SECURITY_MESSAGE *))
{
    SECURITY_MESSAGE msg;

    UNREFERENCED_PARAMETER(pSendBuf);
    UNREFERENCED_PARAMETER(pRecvBuf);
    if (SendBufSize != 1500 || RecvBufSize != 1500)
        return ERROR_BUFFER_TOO_SMALL;
    ZeroMemory(&msg, sizeof(msg));
    msg.hPort = hPort;
    msg.dwMsgId = SECURITYMSG_SUCCESS;
    lstrcpy(msg.UserName, "visitor");
    RasSecurityDialogComplete(&msg);
    return NO_ERROR;
}

DWORD WINAPI RasSecurityDialogEnd(HPORT hPort)
{
    UNREFERENCED_PARAMETER(hPort);
    return ERROR_PORT_DISCONNECTED;
}
