/*
 * token.c: a security library for hand-held authenticators. It sends a challenge of 644 bytes and expects an answer of 644 bytes: binary
 * structures, in which every byte value occurs.
 */
#include <windows.h>
#include <rasshost.h>
#include <raserror.h>

#define ANSWER_TIMEOUT 10 /* seconds between two bytes */

typedef struct {
    BYTE Magic[4];
    CHAR UserName[256];
    BYTE Digits[384];
} TOKEN_MESSAGE;

typedef char TOKEN_MESSAGE_HAS_644_BYTES[sizeof(TOKEN_MESSAGE) == 644 ? 1 : -1];

static HPORT g_hPort;
static PBYTE g_pSendBuf, g_pRecvBuf;
static VOID (WINAPI *g_pfnComplete)(SECURITY_MESSAGE *);
static RASSECURITYPROC g_pfnSend, g_pfnReceive, g_pfnGetInfo;

/* Collects the whole answer: what the line delivers at once may be less. */
static DWORD ReceiveAnswer(TOKEN_MESSAGE *pAnswer)
{
    HANDLE hEvent = CreateEvent(NULL, FALSE, FALSE, NULL);
    RAS_SECURITY_INFO info;
    DWORD cbGot, dwError = NO_ERROR;
    WORD cb;

    ZeroMemory(&info, sizeof(info));
    for (cbGot = 0; dwError == NO_ERROR && cbGot < sizeof(*pAnswer); cbGot += info.BytesReceived) {
        cb = (WORD)(sizeof(*pAnswer) - cbGot);
        dwError = g_pfnReceive(g_hPort, g_pRecvBuf, &cb, ANSWER_TIMEOUT, hEvent);
        if (dwError != PENDING)
            break;
        WaitForSingleObject(hEvent, INFINITE);
        dwError = g_pfnGetInfo(g_hPort, &info);
        if (dwError == NO_ERROR)
            dwError = info.LastError;
        if (dwError == NO_ERROR && info.BytesReceived != cb)
            dwError = ERROR_INVALID_DATA;
        if (dwError == NO_ERROR)
            CopyMemory((PBYTE)pAnswer + cbGot, g_pRecvBuf, info.BytesReceived);
    }
    CloseHandle(hEvent);
    return dwError;
}

static DWORD WINAPI Worker(LPVOID lpUnused)
{
    TOKEN_MESSAGE challenge, answer;
    SECURITY_MESSAGE msg;
    int i;

    UNREFERENCED_PARAMETER(lpUnused);
    ZeroMemory(&msg, sizeof(msg));
    ZeroMemory(&challenge, sizeof(challenge));
    msg.hPort = g_hPort;
    CopyMemory(challenge.Magic, "TOK?", 4);
    for (i = 0; i < (int)sizeof(challenge.Digits); i++)
        challenge.Digits[i] = (BYTE)i;
    CopyMemory(g_pSendBuf, &challenge, sizeof(challenge));
    g_pfnSend(g_hPort, g_pSendBuf, (WORD)sizeof(challenge));

    msg.dwMsgId = SECURITYMSG_ERROR;
    msg.dwError = ReceiveAnswer(&answer);
    if (msg.dwError == NO_ERROR) {
        lstrcpyn(msg.UserName, answer.UserName, sizeof(answer.UserName));
        msg.dwMsgId = SECURITYMSG_SUCCESS;
        if (memcmp(answer.Magic, "TOK!", 4) != 0)
            msg.dwMsgId = SECURITYMSG_FAILURE;
        for (i = 0; i < (int)sizeof(answer.Digits); i++)
            if ((answer.Digits[i] ^ challenge.Digits[i]) != 0xff)
                msg.dwMsgId = SECURITYMSG_FAILURE;
    }
    g_pfnComplete(&msg);
    return 0;
}

DWORD WINAPI RasSecurityDialogBegin(HPORT hPort, PBYTE pSendBuf, DWORD SendBufSize, PBYTE pRecvBuf, DWORD RecvBufSize,
                                    VOID (WINAPI *RasSecurityDialogComplete)(SECURITY_MESSAGE *))
{
    HINSTANCE hRasman = LoadLibrary("rasman.dll");
    HANDLE hThread;
    DWORD dwThreadId;

    if (hRasman == NULL)
        return GetLastError();
    if (SendBufSize < sizeof(TOKEN_MESSAGE) || RecvBufSize < sizeof(TOKEN_MESSAGE))
        return ERROR_BUFFER_TOO_SMALL;
    g_pfnSend = (RASSECURITYPROC)GetProcAddress(hRasman, "RasSecurityDialogSend");
    g_pfnReceive = (RASSECURITYPROC)GetProcAddress(hRasman, "RasSecurityDialogReceive");
    g_pfnGetInfo = (RASSECURITYPROC)GetProcAddress(hRasman, "RasSecurityDialogGetInfo");
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
