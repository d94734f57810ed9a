/*
 * bell.c: a security library that waits for its receives in every way there is. Each key that the caller types is received in another
 * way; the keys together are the user's name. A digit is sent before each receive, so that the caller can keep pace.
 */
#include <windows.h>
#include <rasshost.h>
#include <raserror.h>

static HPORT g_hPort;
static PBYTE g_pSendBuf, g_pRecvBuf;
static VOID (WINAPI *g_pfnComplete)(SECURITY_MESSAGE *);
static RASSECURITYPROC g_pfnSend, g_pfnReceive, g_pfnGetInfo;
static HANDLE g_hManual, g_hAuto;

static void Ring(CHAR ch)
{
    g_pSendBuf[0] = (BYTE)ch;
    g_pfnSend(g_hPort, g_pSendBuf, 1);
}

/* Asks the host until the receive is no longer in progress. */
static DWORD Poll(DWORD *pcb)
{
    RAS_SECURITY_INFO info;
    DWORD dwError;

    do {
        Sleep(5);
        dwError = g_pfnGetInfo(g_hPort, &info);
    } while (dwError == NO_ERROR && info.LastError == PENDING);
    *pcb = info.BytesReceived;
    return dwError != NO_ERROR ? dwError : info.LastError;
}

/* A manual-reset event stays set until it is reset. */
static BOOL ByManualReset(void)
{
    WORD cb = 1;

    if (g_pfnReceive(g_hPort, g_pRecvBuf, &cb, 0, g_hManual) != PENDING)
        return FALSE;
    if (WaitForSingleObject(g_hManual, INFINITE) != WAIT_OBJECT_0 || WaitForSingleObject(g_hManual, 0) != WAIT_OBJECT_0 || cb != 1)
        return FALSE;
    ResetEvent(g_hManual);
    return WaitForSingleObject(g_hManual, 0) == WAIT_TIMEOUT;
}

/* An auto-reset event lets one wait through. */
static BOOL ByAutoReset(void)
{
    WORD cb = 1;

    if (g_pfnReceive(g_hPort, g_pRecvBuf, &cb, 0, g_hAuto) != PENDING)
        return FALSE;
    return WaitForSingleObject(g_hAuto, INFINITE) == WAIT_OBJECT_0 && WaitForSingleObject(g_hAuto, 0) == WAIT_TIMEOUT && cb == 1;
}

/* Without an event, GetInfo tells. */
static BOOL ByPolling(void)
{
    WORD cb = 1;
    DWORD cbGot;

    return g_pfnReceive(g_hPort, g_pRecvBuf, &cb, 0, NULL) == PENDING && Poll(&cbGot) == SUCCESS && cbGot == 1;
}

/* The event may be closed while the receive is pending, and its handle used for another. */
static BOOL ByClosedEvent(void)
{
    HANDLE hEvent = CreateEvent(NULL, FALSE, FALSE, NULL);
    HANDLE hOther;
    WORD cb = 1;
    DWORD cbGot;
    BOOL fQuiet;

    if (g_pfnReceive(g_hPort, g_pRecvBuf, &cb, 0, hEvent) != PENDING)
        return FALSE;
    CloseHandle(hEvent);
    hOther = CreateEvent(NULL, TRUE, FALSE, NULL);
    Ring('*');
    if (Poll(&cbGot) != SUCCESS || cbGot != 1)
        return FALSE;
    fQuiet = WaitForSingleObject(hOther, 50) == WAIT_TIMEOUT;
    CloseHandle(hOther);
    return fQuiet;
}

/* A second receive is refused while one is pending; one with a time-out ends without a byte; one of no bytes is none. */
static BOOL ByRules(void)
{
    RAS_SECURITY_INFO info;
    WORD cb = 0;
    DWORD cbGot;

    if (g_pfnReceive(g_hPort, g_pRecvBuf, &cb, 0, g_hAuto) != ERROR_BUFFER_INVALID)
        return FALSE;
    cb = 1;
    if (g_pfnReceive(g_hPort, g_pRecvBuf, &cb, 1, g_hAuto) != PENDING || WaitForSingleObject(g_hAuto, INFINITE) != WAIT_OBJECT_0)
        return FALSE;
    if (cb != 0 || Poll(&cbGot) != ERROR_REQUEST_TIMEOUT)
        return FALSE;
    if (g_pfnGetInfo(g_hPort, NULL) != ERROR_INVALID_PARAMETER || g_pfnGetInfo(g_hPort, &info) != NO_ERROR)
        return FALSE;
    if (lstrcmp(info.DeviceName, "Test Bell 9600") != 0)
        return FALSE;
    if (g_pfnSend(g_hPort, NULL, 1) != ERROR_BUFFER_INVALID || g_pfnSend(g_hPort, g_pSendBuf, 1501) != ERROR_BUFFER_INVALID)
        return FALSE;
    cb = 1;
    if (g_pfnReceive(g_hPort, g_pRecvBuf, &cb, 0, g_hAuto) != PENDING)
        return FALSE;
    if (g_pfnReceive(g_hPort, g_pRecvBuf, &cb, 0, g_hAuto) != ERROR_ASYNC_REQUEST_PENDING)
        return FALSE;
    Ring('+');
    return WaitForSingleObject(g_hAuto, INFINITE) == WAIT_OBJECT_0 && cb == 1;
}

static DWORD WINAPI Worker(LPVOID lpUnused)
{
    static BOOL (*const apfnWays[])(void) = {ByManualReset, ByAutoReset, ByManualReset, ByPolling, ByClosedEvent, ByRules};
    SECURITY_MESSAGE msg;
    DWORD i;

    UNREFERENCED_PARAMETER(lpUnused);
    ZeroMemory(&msg, sizeof(msg));
    msg.hPort = g_hPort;
    msg.dwMsgId = SECURITYMSG_SUCCESS;
    g_hManual = CreateEvent(NULL, TRUE, FALSE, NULL);
    g_hAuto = CreateEvent(NULL, FALSE, FALSE, NULL);
    for (i = 0; i < sizeof(apfnWays) / sizeof(apfnWays[0]); i++) {
        Ring((CHAR)('1' + i));
        if (!apfnWays[i]()) {
            msg.dwMsgId = SECURITYMSG_FAILURE;
            wsprintf(msg.UserName, "way %lu failed", i + 1);
            break;
        }
        msg.UserName[i] = (CHAR)g_pRecvBuf[0];
    }
    CloseHandle(g_hManual);
    CloseHandle(g_hAuto);
    g_pfnComplete(&msg);
    return 0;
}

DWORD WINAPI RasSecurityDialogBegin(HPORT hPort, PBYTE pSendBuf, DWORD SendBufSize, PBYTE pRecvBuf, DWORD RecvBufSize,
                                    VOID (WINAPI *RasSecurityDialogComplete)(SECURITY_MESSAGE *))
{
    HINSTANCE hRasman = LoadLibrary("RASMAN.DLL");
    HANDLE hThread;

    UNREFERENCED_PARAMETER(SendBufSize);
    UNREFERENCED_PARAMETER(RecvBufSize);
    if (hRasman == NULL)
        return GetLastError();
    g_pfnSend = (RASSECURITYPROC)GetProcAddress(hRasman, "RasSecurityDialogSend");
    g_pfnReceive = (RASSECURITYPROC)GetProcAddress(hRasman, "RasSecurityDialogReceive");
    g_pfnGetInfo = (RASSECURITYPROC)GetProcAddress(hRasman, "RasSecurityDialogGetInfo");
    g_hPort = hPort;
    g_pSendBuf = pSendBuf;
    g_pRecvBuf = pRecvBuf;
    g_pfnComplete = RasSecurityDialogComplete;
    hThread = CreateThread(NULL, 0, Worker, NULL, 0, NULL);
    if (hThread == NULL)
        return GetLastError();
    CloseHandle(hThread);
    return NO_ERROR;
}

DWORD WINAPI RasSecurityDialogEnd(HPORT hPort)
{
    UNREFERENCED_PARAMETER(hPort);
    return ERROR_PORT_DISCONNECTED;
}
