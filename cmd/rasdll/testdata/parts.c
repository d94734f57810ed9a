/* parts.c: a library from which parts can be left out. It decides in Begin: success for the name of the device, until -DSILENT. */
#include <windows.h>
#include <rasshost.h>
#include <raserror.h>

#ifdef UNRESOLVED
int CallsNobody(void);
extern int g_nNobody;
#endif

BOOL WINAPI DllMain(HINSTANCE hInstance, DWORD dwReason, LPVOID lpReserved)
{
    UNREFERENCED_PARAMETER(hInstance);
    UNREFERENCED_PARAMETER(lpReserved);
#ifdef UNRESOLVED
    return CallsNobody() + g_nNobody;
#elif defined(REFUSES)
    return dwReason != DLL_PROCESS_ATTACH;
#else
    return dwReason <= DLL_THREAD_DETACH;
#endif
}

#ifndef NO_BEGIN
DWORD WINAPI RasSecurityDialogBegin(HPORT hPort, PBYTE pSendBuf, DWORD SendBufSize, PBYTE pRecvBuf, DWORD RecvBufSize,
                                    VOID (WINAPI *RasSecurityDialogComplete)(SECURITY_MESSAGE *))
{
    static WORD cb; /* outlives Begin */
    HMODULE hRasman = LoadLibrary("RASMAN.DLL");
    RASSECURITYPROC pfnReceive = (RASSECURITYPROC)GetProcAddress(hRasman, "RasSecurityDialogReceive");
    RASSECURITYPROC pfnSend = (RASSECURITYPROC)GetProcAddress(hRasman, "RasSecurityDialogSend");
    RASSECURITYPROC pfnGetInfo = (RASSECURITYPROC)GetProcAddress(hRasman, "RasSecurityDialogGetInfo");
    RAS_SECURITY_INFO info;
    SECURITY_MESSAGE msg;
    HANDLE hEvent = CreateEvent(NULL, FALSE, FALSE, NULL);

    UNREFERENCED_PARAMETER(SendBufSize);
    if (pfnGetInfo(hPort, &info) != NO_ERROR || info.LastError != SUCCESS || info.BytesReceived != 0)
        return __LINE__; /* rule G1 */
    CopyMemory(pSendBuf, "go\r\n", 4);
    if (pfnSend(hPort, pSendBuf, 4) != PENDING || pfnSend(hPort, pSendBuf, SendBufSize + 1) != ERROR_BUFFER_INVALID)
        return __LINE__;
    cb = (WORD)(RecvBufSize + 500); /* rule R4: clamped */
    if (pfnReceive(hPort, pRecvBuf, &cb, 0, GetCurrentThreadId) != ERROR_EVENT_INVALID)
        return __LINE__;
    if (pfnReceive(hPort, pRecvBuf, &cb, 30, hEvent) != PENDING || WaitForSingleObject(hEvent, INFINITE) != WAIT_OBJECT_0)
        return __LINE__;
    if (pfnGetInfo(hPort, &info) != NO_ERROR || info.BytesReceived != cb)
        return __LINE__;
    ZeroMemory(&msg, sizeof(msg));
    msg.hPort = hPort;
    msg.dwMsgId = info.LastError == SUCCESS ? SECURITYMSG_SUCCESS : SECURITYMSG_ERROR;
    msg.dwError = info.LastError;
    lstrcpyn(msg.UserName, info.DeviceName, sizeof(msg.UserName));
    FillMemory(msg.Domain, sizeof(msg.Domain), 0xe4);
    RasSecurityDialogComplete(&msg);
    CloseHandle(hEvent);
    return NO_ERROR;
}
#endif

#ifndef NO_END
DWORD WINAPI RasSecurityDialogEnd(HPORT hPort)
{
    UNREFERENCED_PARAMETER(hPort);
    return ERROR_PORT_DISCONNECTED;
}
#endif
