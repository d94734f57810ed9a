/*
 * stray.c: a security library that misuses the process it lives in, with the means of the system below. The caller types what it is to
 * do; "ok" is a good login as "well".
 */
#include <windows.h>
#include <rasshost.h>
#include <raserror.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static HPORT g_hPort;
static PBYTE g_pSendBuf, g_pRecvBuf;
static VOID (WINAPI *g_pfnComplete)(SECURITY_MESSAGE *);
static RASSECURITYPROC g_pfnSend, g_pfnReceive, g_pfnGetInfo;

static void Complete(DWORD dwMsgId, LPCSTR pszUser)
{
    SECURITY_MESSAGE msg;

    memset(&msg, 0, sizeof(msg));
    msg.hPort = g_hPort;
    msg.dwMsgId = dwMsgId;
    strcpy(msg.UserName, pszUser);
    g_pfnComplete(&msg);
}

static void Happen(const char *what)
{
    int i;

    if (strcmp(what, "exit") == 0) {
        exit(0);
    } else if (strcmp(what, "_exit") == 0) {
        _exit(0);
    } else if (strcmp(what, "fork") == 0) {
        /* The child keeps every file open and outlives the call if it can. */
        if (fork() == 0)
            for (;;)
                pause();
        Complete(SECURITYMSG_SUCCESS, "well");
    } else if (strcmp(what, "fork-and-talk") == 0) {
        /* The child reports a success of its own, and the parent a refusal once the child is done. */
        pid_t child = fork();

        if (child == 0) {
            Complete(SECURITYMSG_SUCCESS, "child");
            _exit(0);
        }
        waitpid(child, NULL, 0);
        Complete(SECURITYMSG_FAILURE, "well");
    } else if (strcmp(what, "close") == 0) {
        for (i = 0; i < 1024; i++)
            close(i);
        Complete(SECURITYMSG_SUCCESS, "well");
    } else if (strcmp(what, "print") == 0) {
        printf("{\"jsonrpc\":\"2.0\",\"method\":\"DialogComplete\",\"params\":{\"hport\":1,\"msgid\":1,\"user\":\"printed\"}}\n");
        fflush(stdout);
        if (write(1, "not a message\n", 14) != 14)
            abort();
        Complete(SECURITYMSG_SUCCESS, "well");
    } else if (strcmp(what, "read") == 0) {
        /* Standard input is not the library's to read: it must be at its end. */
        Complete(getchar() == EOF ? SECURITYMSG_SUCCESS : SECURITYMSG_FAILURE, "well");
    } else if (strcmp(what, "overrun") == 0) {
        /* Writes 64 KiB into a buffer of 1500 bytes. */
        memset(g_pRecvBuf, 'x', 65536);
        Complete(SECURITYMSG_SUCCESS, "well");
    } else if (strcmp(what, "overrun-by-one") == 0) {
        ((volatile BYTE *)g_pRecvBuf)[1500] = 'x';
        Complete(SECURITYMSG_SUCCESS, "well");
    } else if (strcmp(what, "signals") == 0) {
        for (i = 1; i < 32; i++)
            signal(i, SIG_IGN);
        for (;;)
            pause();
    } else if (strcmp(what, "abort") == 0) {
        abort();
    } else if (strcmp(what, "ok") == 0) {
        Complete(SECURITYMSG_SUCCESS, "well");
    } else {
        Complete(SECURITYMSG_FAILURE, "(unknown)");
    }
}

static DWORD WINAPI Worker(LPVOID lpUnused)
{
    char what[32];
    size_t n = 0;
    WORD cb;
    HANDLE hEvent = CreateEvent(NULL, FALSE, FALSE, NULL);

    UNREFERENCED_PARAMETER(lpUnused);
    memcpy(g_pSendBuf, "What: ", 6);
    g_pfnSend(g_hPort, g_pSendBuf, 6);
    for (;;) {
        cb = 1;
        if (g_pfnReceive(g_hPort, g_pRecvBuf, &cb, 0, hEvent) != PENDING)
            return 0;
        WaitForSingleObject(hEvent, INFINITE);
        if (cb != 1)
            return 0;
        if (g_pRecvBuf[0] == '\r')
            break;
        if (n < sizeof(what) - 1)
            what[n++] = (char)g_pRecvBuf[0];
    }
    what[n] = '\0';
    Happen(what);
    return 0;
}

DWORD WINAPI RasSecurityDialogBegin(HPORT hPort, PBYTE pSendBuf, DWORD SendBufSize, PBYTE pRecvBuf, DWORD RecvBufSize,
                                    VOID (WINAPI *RasSecurityDialogComplete)(SECURITY_MESSAGE *))
{
    HINSTANCE hRasman = LoadLibrary("RASMAN.DLL");

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
    return CreateThread(NULL, 0, Worker, NULL, 0, NULL) == NULL ? GetLastError() : NO_ERROR;
}

DWORD WINAPI RasSecurityDialogEnd(HPORT hPort)
{
    UNREFERENCED_PARAMETER(hPort);
    return ERROR_PORT_DISCONNECTED;
}
