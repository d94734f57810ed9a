/*
 * ledger.c: a security library that is set up by the registry, read when the library is loaded: the greeting (text), the one user who is
 * let in (text) and how many letters of the name count (number). A value that is not there has a default.
 */
#include <windows.h>
#include <rasshost.h>
#include <raserror.h>

#define LEDGER_KEY "SOFTWARE\\Example\\Ledger"

static CHAR g_szGreeting[128] = "Hello. ";
static CHAR g_szUser[UNLEN + 1];
static DWORD g_cchCompare = UNLEN;
static LONG g_lMissing;
static LONG g_lNoKey;

static HPORT g_hPort;
static PBYTE g_pSendBuf, g_pRecvBuf;
static VOID (WINAPI *g_pfnComplete)(SECURITY_MESSAGE *);
static RASSECURITYPROC g_pfnSend, g_pfnReceive, g_pfnGetInfo;

static void ReadRegistry(void)
{
    HKEY hKey;
    DWORD dwType, dwValue, cb;

    if (RegOpenKeyEx(HKEY_LOCAL_MACHINE, LEDGER_KEY, 0, KEY_READ, &hKey) == ERROR_SUCCESS) {
        cb = sizeof(g_szGreeting);
        RegQueryValueEx(hKey, "Greeting", NULL, &dwType, (LPBYTE)g_szGreeting, &cb);
        cb = sizeof(g_szUser);
        if (RegQueryValueEx(hKey, "User", NULL, &dwType, (LPBYTE)g_szUser, &cb) != ERROR_SUCCESS || dwType != REG_SZ)
            g_szUser[0] = '\0';
        cb = sizeof(dwValue);
        if (RegQueryValueEx(hKey, "Compare", NULL, &dwType, (LPBYTE)&dwValue, &cb) == ERROR_SUCCESS && dwType == REG_DWORD)
            g_cchCompare = dwValue;
        cb = sizeof(dwValue);
        g_lMissing = RegQueryValueEx(hKey, "NotThere", NULL, &dwType, (LPBYTE)&dwValue, &cb);
        RegCloseKey(hKey);
    }
    g_lNoKey = RegOpenKeyEx(HKEY_LOCAL_MACHINE, "SOFTWARE\\Example\\NotThere", 0, KEY_READ, &hKey);
}

BOOL WINAPI DllMain(HINSTANCE hInstance, DWORD dwReason, LPVOID lpReserved)
{
    UNREFERENCED_PARAMETER(hInstance);
    UNREFERENCED_PARAMETER(lpReserved);
    if (dwReason == DLL_PROCESS_ATTACH)
        ReadRegistry();
    return TRUE;
}

static DWORD WINAPI Worker(LPVOID lpUnused)
{
    SECURITY_MESSAGE msg;
    RAS_SECURITY_INFO info;
    HANDLE hEvent = CreateEvent(NULL, FALSE, FALSE, NULL);
    DWORD cch = 0;
    WORD cb;

    UNREFERENCED_PARAMETER(lpUnused);
    ZeroMemory(&msg, sizeof(msg));
    msg.hPort = g_hPort;
    cb = (WORD)wsprintf((LPSTR)g_pSendBuf, "%s(%ld, %ld) ", g_szGreeting, g_lMissing, g_lNoKey);
    g_pfnSend(g_hPort, g_pSendBuf, cb);
    for (;;) {
        cb = 1;
        if (g_pfnReceive(g_hPort, g_pRecvBuf, &cb, 60, hEvent) != PENDING)
            break;
        WaitForSingleObject(hEvent, INFINITE);
        if (g_pfnGetInfo(g_hPort, &info) != NO_ERROR || info.LastError != SUCCESS)
            break;
        if (g_pRecvBuf[0] == '\r') {
            CHAR szUser[UNLEN + 1], szName[UNLEN + 1];
            int n = (int)(g_cchCompare < UNLEN ? g_cchCompare : UNLEN) + 1;

            lstrcpyn(szUser, g_szUser, n);
            lstrcpyn(szName, msg.UserName, n);
            msg.dwMsgId = g_szUser[0] != '\0' && lstrcmpi(szUser, szName) == 0 ? SECURITYMSG_SUCCESS : SECURITYMSG_FAILURE;
            break;
        }
        if (cch < UNLEN)
            msg.UserName[cch++] = (CHAR)g_pRecvBuf[0];
    }
    CloseHandle(hEvent);
    if (msg.dwMsgId == 0) {
        msg.dwMsgId = SECURITYMSG_ERROR;
        msg.dwError = ERROR_PORT_DISCONNECTED;
    }
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
