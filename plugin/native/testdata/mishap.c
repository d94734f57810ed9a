/*
 * mishap.c: a security library that goes wrong on demand. The caller types what is to happen; "ok" is a good login as "well". What is to
 * happen in Begin or before it returns is named by the device.
 */
#include <windows.h>
#include <rasshost.h>
#include <raserror.h>

static HPORT g_hPort;
static PBYTE g_pSendBuf, g_pRecvBuf;
static VOID (WINAPI *g_pfnComplete)(SECURITY_MESSAGE *);
static RASSECURITYPROC g_pfnSend, g_pfnReceive, g_pfnGetInfo;
static HANDLE g_hReceived, g_hEnd;
static DWORD g_dwEnd = ERROR_PORT_DISCONNECTED; /* what End returns */

static void Say(LPCSTR pszText)
{
    WORD cb = (WORD)lstrlen(pszText);

    CopyMemory(g_pSendBuf, pszText, cb);
    g_pfnSend(g_hPort, g_pSendBuf, cb);
}

static void Complete(DWORD dwMsgId, DWORD dwError, LPCSTR pszUser)
{
    SECURITY_MESSAGE msg;

    ZeroMemory(&msg, sizeof(msg));
    msg.hPort = g_hPort;
    msg.dwMsgId = dwMsgId;
    msg.dwError = dwError;
    lstrcpyn(msg.UserName, pszUser, sizeof(msg.UserName));
    g_pfnComplete(&msg);
}

static BOOL ReadLine(LPSTR pszLine, int cchMax)
{
    RAS_SECURITY_INFO info;
    WORD cb;
    int cch = 0;

    for (;;) {
        cb = 1;
        if (g_pfnReceive(g_hPort, g_pRecvBuf, &cb, 0, g_hReceived) != PENDING)
            return FALSE;
        WaitForSingleObject(g_hReceived, INFINITE);
        if (g_pfnGetInfo(g_hPort, &info) != NO_ERROR || info.LastError != SUCCESS)
            return FALSE;
        if (g_pRecvBuf[0] == '\r')
            break;
        if (cch < cchMax - 1)
            pszLine[cch++] = (CHAR)g_pRecvBuf[0];
    }
    pszLine[cch] = '\0';
    return TRUE;
}

/* Defers its end, and completes again once End has been called. */
static void Defer(DWORD dwSecond, LPCSTR pszSecondUser)
{
    g_dwEnd = NO_ERROR;
    Complete(SECURITYMSG_SUCCESS, 0, "well");
    WaitForSingleObject(g_hEnd, INFINITE);
    Sleep(100); /* End returns meanwhile */
    Complete(dwSecond, dwSecond == SECURITYMSG_ERROR ? ERROR_CANCELLED : 0, pszSecondUser);
}

/* Ignores that the line is gone, collects what the buffer holds and reports a success for it. */
static void Spin(void)
{
    CHAR szLine[UNLEN + 1];
    WORD cb;
    int i;

    szLine[0] = '\0';
    for (i = 0; i < 512; i++) {
        cb = 1;
        if (g_pfnReceive(g_hPort, g_pRecvBuf, &cb, 0, g_hReceived) == PENDING)
            WaitForSingleObject(g_hReceived, INFINITE);
        szLine[i % UNLEN] = g_pRecvBuf[0] != 0 ? (CHAR)g_pRecvBuf[0] : 'r';
    }
    szLine[UNLEN] = '\0';
    Complete(SECURITYMSG_SUCCESS, 0, szLine);
}

/* Reports a name that fills its field without a NUL. */
static void LongName(void)
{
    SECURITY_MESSAGE msg;

    ZeroMemory(&msg, sizeof(msg));
    msg.hPort = g_hPort;
    msg.dwMsgId = SECURITYMSG_SUCCESS;
    FillMemory(msg.UserName, sizeof(msg.UserName), 'a');
    g_pfnComplete(&msg);
}

static void Happen(LPCSTR psz)
{
    if (lstrcmp(psz, "ok") == 0) {
        Complete(SECURITYMSG_SUCCESS, 0, "well");
    } else if (lstrcmp(psz, "defer") == 0) {
        Defer(SECURITYMSG_SUCCESS, "well");
    } else if (lstrcmp(psz, "defer-worse") == 0) {
        Defer(SECURITYMSG_FAILURE, "well");
    } else if (lstrcmp(psz, "defer-error") == 0) {
        Defer(SECURITYMSG_ERROR, "");
    } else if (lstrcmp(psz, "defer-other") == 0) {
        Defer(SECURITYMSG_SUCCESS, "another");
    } else if (lstrcmp(psz, "defer-forever") == 0) {
        g_dwEnd = NO_ERROR;
        Complete(SECURITYMSG_SUCCESS, 0, "well");
    } else if (lstrcmp(psz, "wait") == 0) {
        g_dwEnd = NO_ERROR;
        Say("Waiting. ");
        WaitForSingleObject(CreateEvent(NULL, FALSE, FALSE, NULL), INFINITE);
    } else if (lstrcmp(psz, "never") == 0) {
        Say("Never. ");
    } else if (lstrcmp(psz, "spin") == 0) {
        g_dwEnd = NO_ERROR; /* or it would not live to see the end */
        Say("Hang up now. ");
        Spin();
    } else if (lstrcmp(psz, "crash") == 0) {
        *(volatile DWORD *)NULL = 1;
    } else if (lstrcmp(psz, "crash-after") == 0) {
        g_dwEnd = NO_ERROR;
        Complete(SECURITYMSG_SUCCESS, 0, "well");
        *(volatile DWORD *)NULL = 1;
    } else if (lstrcmp(psz, "twice") == 0) {
        Complete(SECURITYMSG_FAILURE, 0, "well");
        Complete(SECURITYMSG_SUCCESS, 0, "well");
    } else if (lstrcmp(psz, "long-name") == 0) {
        LongName();
    } else if (lstrcmp(psz, "no-name") == 0) {
        Complete(SECURITYMSG_SUCCESS, 0, "");
    } else if (lstrcmp(psz, "bad-verdict") == 0) {
        Complete(4711, 0, "well");
    } else if (lstrcmp(psz, "error") == 0) {
        Complete(SECURITYMSG_ERROR, ERROR_ACCESS_DENIED, "");
    } else if (lstrcmp(psz, "stop-process") == 0) {
        ExitProcess(0);
    } else {
        Complete(SECURITYMSG_FAILURE, 0, "(unknown mishap)");
    }
}

static DWORD WINAPI Worker(LPVOID lpUnused)
{
    CHAR szWhat[32];

    UNREFERENCED_PARAMETER(lpUnused);
    Say("What: ");
    if (ReadLine(szWhat, sizeof(szWhat)))
        Happen(szWhat);
    return 0;
}

/* What goes wrong in Begin; TRUE if Begin is to return *pdwResult. */
static BOOL BeginMishap(LPCSTR pszDevice, DWORD *pdwResult)
{
    if (lstrcmp(pszDevice, "begin refuses") == 0) {
        *pdwResult = ERROR_NO_MORE_ITEMS;
        return TRUE;
    }
    if (lstrcmp(pszDevice, "begin pends") == 0) {
        *pdwResult = PENDING;
        return TRUE;
    }
    if (lstrcmp(pszDevice, "begin completes") == 0) {
        Complete(SECURITYMSG_SUCCESS, 0, "early");
        *pdwResult = NO_ERROR;
        return TRUE;
    }
    if (lstrcmp(pszDevice, "begin completes and refuses") == 0) {
        Complete(SECURITYMSG_SUCCESS, 0, "early");
        *pdwResult = ERROR_NO_MORE_ITEMS;
        return TRUE;
    }
    if (lstrcmp(pszDevice, "begin hangs") == 0)
        WaitForSingleObject(CreateEvent(NULL, FALSE, FALSE, NULL), INFINITE);
    if (lstrcmp(pszDevice, "begin crashes") == 0)
        *(volatile DWORD *)NULL = 1;
    return FALSE;
}

DWORD WINAPI RasSecurityDialogBegin(HPORT hPort, PBYTE pSendBuf, DWORD SendBufSize, PBYTE pRecvBuf, DWORD RecvBufSize,
                                    VOID (WINAPI *RasSecurityDialogComplete)(SECURITY_MESSAGE *))
{
    HINSTANCE hRasman = LoadLibrary("RASMAN.DLL");
    RAS_SECURITY_INFO info;
    HANDLE hThread;
    DWORD dwResult;

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
    g_hReceived = CreateEvent(NULL, FALSE, FALSE, NULL);
    g_hEnd = CreateEvent(NULL, TRUE, FALSE, NULL);
    if (g_pfnGetInfo(hPort, &info) != NO_ERROR)
        return ERROR_INVALID_PARAMETER;
    if (BeginMishap(info.DeviceName, &dwResult))
        return dwResult;
    hThread = CreateThread(NULL, 0, Worker, NULL, 0, NULL);
    if (hThread == NULL)
        return GetLastError();
    CloseHandle(hThread);
    return NO_ERROR;
}

DWORD WINAPI RasSecurityDialogEnd(HPORT hPort)
{
    UNREFERENCED_PARAMETER(hPort);
    SetEvent(g_hEnd);
    return g_dwEnd;
}
