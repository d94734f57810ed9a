/*
 * guard.c: a security library that serves any number of callers at once. It asks for name and password, three times at most; callerN
 * has the password secret-N. Each dialog has its own state and an event that stops it.
 */
#include <windows.h>
#include <rasshost.h>
#include <raserror.h>

#define ATTEMPTS 3
#define LINE_MAX_CHARS 64
#define KEY_TIMEOUT 60 /* seconds */

typedef DWORD (WINAPI *PFNSEND)(HPORT, PBYTE, WORD);
typedef DWORD (WINAPI *PFNRECEIVE)(HPORT, PBYTE, PWORD, DWORD, HANDLE);
typedef DWORD (WINAPI *PFNGETINFO)(HPORT, RAS_SECURITY_INFO *);
typedef VOID (WINAPI *PFNCOMPLETE)(SECURITY_MESSAGE *);

typedef struct _DIALOG {
    struct _DIALOG *pNext;
    LONG cRef; /* the list has one, the worker another */
    HPORT hPort;
    PBYTE pSendBuf;
    DWORD SendBufSize;
    PBYTE pRecvBuf;
    HANDLE hReceived;
    HANDLE hStop;
    PFNCOMPLETE pfnComplete;
} DIALOG;

static CRITICAL_SECTION g_Lock; /* guards the list and what follows */
static DIALOG *g_pDialogs;
static HMODULE g_hRasman;
static PFNSEND g_pfnSend;
static PFNRECEIVE g_pfnReceive;
static PFNGETINFO g_pfnGetInfo;

BOOL WINAPI DllMain(HINSTANCE hInstance, DWORD dwReason, LPVOID lpReserved)
{
    UNREFERENCED_PARAMETER(hInstance);
    UNREFERENCED_PARAMETER(lpReserved);
    switch (dwReason) {
    case DLL_PROCESS_ATTACH:
        InitializeCriticalSection(&g_Lock);
        break;
    case DLL_PROCESS_DETACH:
        if (g_hRasman != NULL)
            FreeLibrary(g_hRasman);
        DeleteCriticalSection(&g_Lock);
        break;
    }
    return TRUE;
}

/* Finds the host's functions, once. g_Lock is held. */
static DWORD LinkToHost(void)
{
    if (g_hRasman != NULL)
        return NO_ERROR;
    g_hRasman = LoadLibrary(TEXT("RASMAN.DLL"));
    if (g_hRasman == NULL)
        return GetLastError();
    g_pfnSend = (PFNSEND)GetProcAddress(g_hRasman, "RasSecurityDialogSend");
    g_pfnReceive = (PFNRECEIVE)GetProcAddress(g_hRasman, "RasSecurityDialogReceive");
    g_pfnGetInfo = (PFNGETINFO)GetProcAddress(g_hRasman, "RasSecurityDialogGetInfo");
    if (g_pfnSend == NULL || g_pfnReceive == NULL || g_pfnGetInfo == NULL)
        return ERROR_PROC_NOT_FOUND;
    return NO_ERROR;
}

static void Release(DIALOG *pDialog)
{
    if (InterlockedDecrement(&pDialog->cRef) != 0)
        return;
    if (pDialog->hReceived != NULL)
        CloseHandle(pDialog->hReceived);
    if (pDialog->hStop != NULL)
        CloseHandle(pDialog->hStop);
    HeapFree(GetProcessHeap(), 0, pDialog);
}

static BOOL Say(DIALOG *pDialog, LPCSTR pszText)
{
    DWORD cb = (DWORD)lstrlenA(pszText);

    if (cb > pDialog->SendBufSize)
        cb = pDialog->SendBufSize;
    CopyMemory(pDialog->pSendBuf, pszText, cb);
    return g_pfnSend(pDialog->hPort, pDialog->pSendBuf, (WORD)cb) == PENDING;
}

/* Receives one byte; FALSE when the dialog is over. */
static BOOL Key(DIALOG *pDialog, CHAR *pch)
{
    HANDLE ahWait[2];
    RAS_SECURITY_INFO info;
    WORD cb = 1;

    ahWait[0] = pDialog->hStop;
    ahWait[1] = pDialog->hReceived;
    if (g_pfnReceive(pDialog->hPort, pDialog->pRecvBuf, &cb, KEY_TIMEOUT, pDialog->hReceived) != PENDING)
        return FALSE;
    if (WaitForMultipleObjects(2, ahWait, FALSE, INFINITE) != WAIT_OBJECT_0 + 1)
        return FALSE;
    if (g_pfnGetInfo(pDialog->hPort, &info) != NO_ERROR || info.LastError != SUCCESS || info.BytesReceived != 1)
        return FALSE;
    *pch = (CHAR)pDialog->pRecvBuf[0];
    pDialog->pRecvBuf[0] = 0;
    return TRUE;
}

/* Receives a line of at most LINE_MAX_CHARS. What is longer is no answer: *pfTooLong. */
static BOOL Line(DIALOG *pDialog, LPCSTR pszPrompt, LPSTR pszLine, BOOL *pfTooLong)
{
    int cch = 0;
    CHAR ch;

    *pfTooLong = FALSE;
    if (!Say(pDialog, pszPrompt))
        return FALSE;
    while (Key(pDialog, &ch)) {
        if (ch == '\r') {
            pszLine[cch] = '\0';
            return TRUE;
        }
        if (ch == '\n' || ch == '\0')
            continue;
        if (cch == LINE_MAX_CHARS) {
            pszLine[cch] = '\0';
            *pfTooLong = TRUE;
            return TRUE;
        }
        pszLine[cch++] = ch;
    }
    return FALSE;
}

static BOOL Matches(LPCSTR pszName, LPCSTR pszSecret)
{
    CHAR szPrefix[7];
    CHAR szWanted[LINE_MAX_CHARS + 8];

    lstrcpynA(szPrefix, pszName, sizeof(szPrefix));
    if (lstrcmpiA(szPrefix, "caller") != 0)
        return FALSE;
    wsprintfA(szWanted, "secret-%s", pszName + 6);
    return lstrcmpA(szWanted, pszSecret) == 0;
}

/* Talks with the caller; FALSE when there is nobody left to report on. */
static BOOL Talk(DIALOG *pDialog, SECURITY_MESSAGE *pMsg)
{
    CHAR szName[LINE_MAX_CHARS + 1];
    CHAR szSecret[LINE_MAX_CHARS + 1];
    BOOL fTooLong;
    BOOL fMatch;
    int nAttempt;

    pMsg->dwMsgId = SECURITYMSG_FAILURE;
    for (nAttempt = 1; nAttempt <= ATTEMPTS; nAttempt++) {
        if (!Line(pDialog, "Name: ", szName, &fTooLong))
            return FALSE;
        lstrcpynA(pMsg->UserName, szName[0] != '\0' ? szName : "(nobody)", sizeof(pMsg->UserName));
        if (fTooLong)
            break;
        if (!Line(pDialog, "\r\nPassword: ", szSecret, &fTooLong))
            return FALSE;
        fMatch = !fTooLong && Matches(szName, szSecret);
        SecureZeroMemory(szSecret, sizeof(szSecret));
        if (fMatch) {
            pMsg->dwMsgId = SECURITYMSG_SUCCESS;
            return TRUE;
        }
        if (fTooLong)
            break;
        Say(pDialog, "\r\nNo.\r\n");
    }
    Say(pDialog, "\r\nGood bye.\r\n");
    return TRUE;
}

static DWORD WINAPI Worker(LPVOID lpParameter)
{
    DIALOG *pDialog = (DIALOG *)lpParameter;
    SECURITY_MESSAGE msg;

    ZeroMemory(&msg, sizeof(msg));
    msg.hPort = pDialog->hPort;
    if (!Talk(pDialog, &msg)) {
        msg.dwMsgId = SECURITYMSG_ERROR;
        msg.dwError = ERROR_PORT_DISCONNECTED;
    }
    if (WaitForSingleObject(pDialog->hStop, 0) == WAIT_TIMEOUT)
        pDialog->pfnComplete(&msg);
    Release(pDialog);
    return 0;
}

DWORD WINAPI RasSecurityDialogBegin(HPORT hPort, PBYTE pSendBuf, DWORD SendBufSize, PBYTE pRecvBuf, DWORD RecvBufSize,
                                    VOID (WINAPI *RasSecurityDialogComplete)(SECURITY_MESSAGE *))
{
    DIALOG *pDialog;
    HANDLE hThread;
    DWORD dwThreadId;
    DWORD dwError;

    EnterCriticalSection(&g_Lock);
    dwError = LinkToHost();
    LeaveCriticalSection(&g_Lock);
    if (dwError != NO_ERROR)
        return dwError;
    if (RecvBufSize < 1)
        return ERROR_BUFFER_TOO_SMALL;

    pDialog = (DIALOG *)HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY, sizeof(*pDialog));
    if (pDialog == NULL)
        return ERROR_NOT_ENOUGH_MEMORY;
    pDialog->cRef = 2;
    pDialog->hPort = hPort;
    pDialog->pSendBuf = pSendBuf;
    pDialog->SendBufSize = SendBufSize;
    pDialog->pRecvBuf = pRecvBuf;
    pDialog->pfnComplete = RasSecurityDialogComplete;
    pDialog->hReceived = CreateEvent(NULL, FALSE, FALSE, NULL);
    pDialog->hStop = CreateEvent(NULL, TRUE, FALSE, NULL);

    EnterCriticalSection(&g_Lock);
    pDialog->pNext = g_pDialogs;
    g_pDialogs = pDialog;
    LeaveCriticalSection(&g_Lock);

    hThread = NULL;
    if (pDialog->hReceived != NULL && pDialog->hStop != NULL)
        hThread = CreateThread(NULL, 0, Worker, pDialog, 0, &dwThreadId);
    if (hThread == NULL) {
        dwError = GetLastError();
        Release(pDialog);
        RasSecurityDialogEnd(hPort);
        return dwError;
    }
    CloseHandle(hThread);
    return NO_ERROR;
}

DWORD WINAPI RasSecurityDialogEnd(HPORT hPort)
{
    DIALOG **ppDialog;
    DIALOG *pDialog = NULL;

    EnterCriticalSection(&g_Lock);
    for (ppDialog = &g_pDialogs; *ppDialog != NULL; ppDialog = &(*ppDialog)->pNext) {
        if ((*ppDialog)->hPort == hPort) {
            pDialog = *ppDialog;
            *ppDialog = pDialog->pNext;
            break;
        }
    }
    LeaveCriticalSection(&g_Lock);
    if (pDialog != NULL) {
        SetEvent(pDialog->hStop);
        Release(pDialog);
    }
    return ERROR_PORT_DISCONNECTED;
}
