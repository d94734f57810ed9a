/*
 * rules.c: a library that tries out one rule of the contract, which the name of the device says. Begin and End return what they should, or the
 * line of the check that failed.
 */
#include <windows.h>
#include <rasshost.h>
#include <raserror.h>

#define CHECK(condition) do { if (!(condition)) return __LINE__; } while (0)

static HPORT g_hPort;
static PBYTE g_pRecvBuf;
static WORD g_cb;
static HANDLE g_hEvent, g_hEnd;
static CHAR g_szRule[16];
static RASSECURITYPROC g_pfnSend, g_pfnReceive, g_pfnGetInfo;
static VOID (WINAPI *g_pfnComplete)(SECURITY_MESSAGE *);

static void Complete(DWORD dwMsgId)
{
    SECURITY_MESSAGE msg;

    ZeroMemory(&msg, sizeof(msg));
    msg.hPort = g_hPort;
    msg.dwMsgId = dwMsgId;
    lstrcpy(msg.UserName, "a");
    g_pfnComplete(&msg);
}

static DWORD Receive(void)
{
    g_cb = 100;
    FillMemory(g_pRecvBuf, 100, 'x');
    return g_pfnReceive(g_hPort, g_pRecvBuf, &g_cb, 0, g_hEvent);
}

/* What comes after Complete is not for this library (rule C7). */
static DWORD Late(void)
{
    CHECK(Receive() == PENDING);
    Complete(SECURITYMSG_SUCCESS);
    return NO_ERROR;
}

static DWORD LateEnd(void)
{
    CHECK(WaitForSingleObject(g_hEvent, 100) == WAIT_TIMEOUT && g_cb == 100 && g_pRecvBuf[0] == 'x');
    return ERROR_PORT_DISCONNECTED;
}

/* A drop is told once (rule R7). */
static DWORD Drop(void)
{
    RAS_SECURITY_INFO info;

    CHECK(Receive() == PENDING && WaitForSingleObject(g_hEvent, INFINITE) == WAIT_OBJECT_0);
    CHECK(WaitForSingleObject(g_hEvent, 0) == WAIT_TIMEOUT && g_cb == 0 && g_pRecvBuf[0] == 0);
    CHECK(g_pfnGetInfo(g_hPort, &info) == NO_ERROR && info.LastError == ERROR_PORT_DISCONNECTED);
    CHECK(Receive() == ERROR_PORT_DISCONNECTED && WaitForSingleObject(g_hEvent, 100) == WAIT_TIMEOUT);
    CHECK(g_pfnSend(g_hPort, g_pRecvBuf, 1) == ERROR_PORT_DISCONNECTED);
    return NO_ERROR;
}

/* The first Complete after an End that was put off closes the transaction (rules E3, E8, G2). */
static DWORD WINAPI Owe(LPVOID lpUnused)
{
    RAS_SECURITY_INFO info;

    UNREFERENCED_PARAMETER(lpUnused);
    WaitForSingleObject(g_hEnd, INFINITE);
    Sleep(100); /* End returns meanwhile */
    if (g_pfnGetInfo(g_hPort, &info) != NO_ERROR) /* it is open still */
        return 1;
    Complete(SECURITYMSG_SUCCESS);
    Complete(SECURITYMSG_SUCCESS); /* nobody's */
    if (g_pfnGetInfo(g_hPort, &info) == ERROR_INVALID_PORT_HANDLE && Receive() == ERROR_INVALID_PORT_HANDLE &&
        g_pfnSend(g_hPort, g_pRecvBuf, 1) == ERROR_INVALID_PORT_HANDLE)
        OutputDebugString("closed\n");
    return 0;
}

static DWORD Defer(void)
{
    CloseHandle(CreateThread(NULL, 0, Owe, NULL, 0, NULL));
    return NO_ERROR;
}

static DWORD DeferEnd(void)
{
    SetEvent(g_hEnd);
    return NO_ERROR;
}

/* What is owed may be paid before End has returned. */
static DWORD PayEnd(void)
{
    Complete(SECURITYMSG_FAILURE);
    return NO_ERROR;
}

/* Handles that are none of this library's (rule C1, 601). */
static DWORD Strange(void)
{
    RAS_SECURITY_INFO info;
    HPORT hOwn = g_hPort;

    CHECK(g_pfnGetInfo((HPORT)((DWORD_PTR)hOwn - 1), &info) == ERROR_INVALID_PORT_HANDLE); /* the call before */
    g_hPort = (HPORT)((DWORD_PTR)hOwn + 1);
    Complete(SECURITYMSG_SUCCESS);
    CHECK(g_pfnGetInfo(g_hPort, &info) == ERROR_INVALID_PORT_HANDLE && Receive() == ERROR_INVALID_PORT_HANDLE);
#ifndef RASSHOST_HPORT_DWORD
    g_hPort = (HPORT)((DWORD_PTR)hOwn | 0x100000000);
    CHECK(g_pfnGetInfo(g_hPort, &info) == ERROR_INVALID_PORT_HANDLE);
#endif
    g_hPort = 0;
    CHECK(g_pfnGetInfo(g_hPort, &info) == ERROR_INVALID_PORT_HANDLE);
    g_hPort = hOwn;
    g_pfnComplete(NULL);
    CHECK(g_pfnGetInfo(g_hPort, &info) == NO_ERROR);
    return NO_ERROR;
}

static const struct {
    LPCSTR pszRule;
    DWORD (*pfnBegin)(void);
    DWORD (*pfnEnd)(void);
} g_aRules[] = {{"late", Late, LateEnd}, {"drop", Drop, NULL}, {"defer", Defer, DeferEnd}, {"pay", NULL, PayEnd}, {"strange", Strange, NULL}};

DWORD WINAPI RasSecurityDialogBegin(HPORT hPort, PBYTE pSendBuf, DWORD SendBufSize, PBYTE pRecvBuf, DWORD RecvBufSize,
                                    VOID (WINAPI *RasSecurityDialogComplete)(SECURITY_MESSAGE *))
{
    HMODULE hRasman = LoadLibrary("RASMAN.DLL");
    RAS_SECURITY_INFO info;
    DWORD i;

    CHECK(pSendBuf[0] == 0 && pSendBuf[SendBufSize - 1] == 0 && pRecvBuf[0] == 0 && pRecvBuf[RecvBufSize - 1] == 0); /* rule B2 */
    CHECK(g_pfnComplete == NULL || g_pfnComplete == RasSecurityDialogComplete); /* the same on every call */
    g_pfnSend = (RASSECURITYPROC)GetProcAddress(hRasman, "RasSecurityDialogSend");
    g_pfnReceive = (RASSECURITYPROC)GetProcAddress(hRasman, "RasSecurityDialogReceive");
    g_pfnGetInfo = (RASSECURITYPROC)GetProcAddress(hRasman, "RasSecurityDialogGetInfo");
    g_hPort = hPort;
    g_pRecvBuf = pRecvBuf;
    g_pfnComplete = RasSecurityDialogComplete;
    g_hEvent = CreateEvent(NULL, FALSE, FALSE, NULL);
    g_hEnd = CreateEvent(NULL, FALSE, FALSE, NULL);
    CHECK(g_pfnGetInfo(hPort, &info) == NO_ERROR);
    lstrcpyn(g_szRule, info.DeviceName, sizeof(g_szRule));
    for (i = 0; i < sizeof(g_aRules) / sizeof(g_aRules[0]); i++)
        if (lstrcmp(g_szRule, g_aRules[i].pszRule) == 0)
            return g_aRules[i].pfnBegin != NULL ? g_aRules[i].pfnBegin() : NO_ERROR;
    return __LINE__;
}

DWORD WINAPI RasSecurityDialogEnd(HPORT hPort)
{
    DWORD i;

    CHECK(hPort == g_hPort);
    for (i = 0; i < sizeof(g_aRules) / sizeof(g_aRules[0]); i++)
        if (lstrcmp(g_szRule, g_aRules[i].pszRule) == 0 && g_aRules[i].pfnEnd != NULL)
            return g_aRules[i].pfnEnd();
    return ERROR_PORT_DISCONNECTED;
}
