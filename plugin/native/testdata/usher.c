/*
 * usher.c: a security library in the manner of the first ones. It asks for a user name and a domain, takes the answers byte by byte and
 * decides by the name alone. It serves one caller at a time: everything that it knows is in globals, it waits for ever, and its End
 * does nothing at all.
 */
#include <windows.h>
#include <rasshost.h>
#include <raserror.h>

static HPORT g_hPort;
static PBYTE g_pSendBuf;
static PBYTE g_pRecvBuf;
static VOID (WINAPI *g_pfnComplete)(SECURITY_MESSAGE *);

static RASSECURITYPROC g_pfnSend;
static RASSECURITYPROC g_pfnReceive;
static RASSECURITYPROC g_pfnGetInfo;

static HANDLE g_hEvent;
static CHAR g_szLine[UNLEN + 1];
static DWORD g_cchLine;

static const char szUserPrompt[] = "Username: ";
static const char szDomainPrompt[] = "\r\nDomain: ";
static const char szNoDomain[] = "(none was given to the usher)";

/* Sends a prompt with its NUL, as the first libraries do. */
static BOOL Prompt(const char *pszText, WORD cbText)
{
    CopyMemory(g_pSendBuf, pszText, cbText);
    return g_pfnSend(g_hPort, g_pSendBuf, cbText) == PENDING;
}

/* Receives one line into g_szLine; CR ends it, LF does not belong to it. */
static BOOL ReadLine(void)
{
    RAS_SECURITY_INFO info;
    WORD cb;

    for (g_cchLine = 0;;) {
        cb = 1;
        if (g_pfnReceive(g_hPort, g_pRecvBuf, &cb, 0, g_hEvent) != PENDING)
            return FALSE;
        WaitForSingleObject(g_hEvent, INFINITE);
        if (g_pfnGetInfo(g_hPort, &info) != NO_ERROR || info.LastError != SUCCESS || info.BytesReceived != 1)
            return FALSE;
        if (g_pRecvBuf[0] == '\r')
            break;
        if (g_pRecvBuf[0] != '\n' && g_cchLine < UNLEN)
            g_szLine[g_cchLine++] = (CHAR)g_pRecvBuf[0];
    }
    g_szLine[g_cchLine] = '\0';
    return TRUE;
}

static DWORD WINAPI Worker(LPVOID lpUnused)
{
    SECURITY_MESSAGE msg;

    UNREFERENCED_PARAMETER(lpUnused);
    ZeroMemory(&msg, sizeof(msg));
    msg.hPort = g_hPort;

    g_hEvent = CreateEvent(NULL, FALSE, FALSE, NULL);
    if (g_hEvent == NULL) {
        msg.dwMsgId = SECURITYMSG_ERROR;
        msg.dwError = GetLastError();
        g_pfnComplete(&msg);
        return 0;
    }
    if (!Prompt(szUserPrompt, sizeof(szUserPrompt)) || !ReadLine()) {
        msg.dwMsgId = SECURITYMSG_ERROR;
        msg.dwError = ERROR_PORT_DISCONNECTED;
        g_pfnComplete(&msg);
        return 0;
    }
    lstrcpyn(msg.UserName, g_szLine, sizeof(msg.UserName));

    if (Prompt(szDomainPrompt, sizeof(szDomainPrompt)) && ReadLine() && g_szLine[0] != '\0')
        lstrcpyn(msg.Domain, g_szLine, sizeof(msg.Domain));
    else
        lstrcpyn(msg.Domain, szNoDomain, sizeof(msg.Domain));

    CloseHandle(g_hEvent);
    if (lstrcmpi(msg.UserName, "eric") == 0 || lstrcmpi(msg.UserName, "eve") == 0)
        msg.dwMsgId = SECURITYMSG_SUCCESS;
    else
        msg.dwMsgId = SECURITYMSG_FAILURE;
    g_pfnComplete(&msg);
    return 0;
}

DWORD WINAPI RasSecurityDialogBegin(HPORT hPort, PBYTE pSendBuf, DWORD SendBufSize, PBYTE pRecvBuf, DWORD RecvBufSize,
                                    VOID (WINAPI *RasSecurityDialogComplete)(SECURITY_MESSAGE *))
{
    HINSTANCE hRasman;
    HANDLE hThread;
    DWORD dwThreadId;

    if (SendBufSize < sizeof(szUserPrompt) || RecvBufSize < 1)
        return ERROR_BUFFER_TOO_SMALL;
    hRasman = LoadLibrary("RASMAN.DLL");
    if (hRasman == NULL)
        return GetLastError();
    g_pfnSend = (RASSECURITYPROC)GetProcAddress(hRasman, "RasSecurityDialogSend");
    g_pfnReceive = (RASSECURITYPROC)GetProcAddress(hRasman, "RasSecurityDialogReceive");
    g_pfnGetInfo = (RASSECURITYPROC)GetProcAddress(hRasman, "RasSecurityDialogGetInfo");
    if (g_pfnSend == NULL || g_pfnReceive == NULL || g_pfnGetInfo == NULL)
        return ERROR_PROC_NOT_FOUND;

    g_hPort = hPort;
    g_pSendBuf = pSendBuf;
    g_pRecvBuf = pRecvBuf;
    g_pfnComplete = RasSecurityDialogComplete;

    hThread = CreateThread(NULL, 0, Worker, NULL, 0, &dwThreadId);
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
