/*
 * windows.c: a library that tries out its Windows, all that the headers declare. Begin returns 0, or the line of the check that failed.
 */
#include <process.h>
#include <raserror.h>
#include <rasshost.h>

#include <stdio.h>

#define CHECK(condition) do { if (!(condition)) return __LINE__; } while (0)
#define KEY "SOFTWARE\\Example\\Windows"

static HINSTANCE g_hInstance;
static LONG g_lAttached, g_lDetached; /* threads */
static DWORD g_dwTls;
static HANDLE g_hMutex;

BOOL WINAPI DllMain(HINSTANCE hInstance, DWORD dwReason, LPVOID lpReserved)
{
    UNREFERENCED_PARAMETER(lpReserved);
    g_hInstance = hInstance;
    if (dwReason == DLL_THREAD_ATTACH)
        InterlockedIncrement(&g_lAttached);
    if (dwReason == DLL_THREAD_DETACH)
        InterlockedIncrement(&g_lDetached);
    return TRUE;
}

static DWORD WINAPI Stranger(LPVOID lp) /* a thread that has nothing yet */
{
    if (TlsGetValue(g_dwTls) != NULL || GetLastError() != NO_ERROR || GetCurrentThreadId() == (DWORD)(UINT_PTR)lp)
        return 1;
    if (WaitForSingleObject(g_hMutex, 0) != WAIT_TIMEOUT)
        return 2;
    if (ReleaseMutex(g_hMutex) || GetLastError() != ERROR_NOT_OWNER)
        return 3;
    ExitThread(42);
}

static unsigned __stdcall Seven(void *p)
{
    InterlockedExchangeAdd((LONG *)p, 7);
    _endthreadex(7);
    return 0;
}

static void __cdecl Signal(void *p)
{
    SetEvent((HANDLE)p);
    _endthread();
}

static int Events(void)
{
    HANDLE ah[3];
    DWORD i;

    ah[0] = CreateEvent(NULL, TRUE, FALSE, NULL);
    ah[1] = CreateEvent(NULL, FALSE, TRUE, "a name changes nothing");
    ah[2] = CreateSemaphore(NULL, 1, 2, NULL);
    CHECK(ah[0] != NULL && ah[1] != NULL && ah[2] != NULL && ((UINT_PTR)ah[0] & 3) == 0 && (UINT_PTR)ah[0] < 0x80000000u);
    CHECK(WaitForMultipleObjects(3, ah, TRUE, 10) == WAIT_TIMEOUT); /* takes nothing */
    CHECK(WaitForMultipleObjects(3, ah, FALSE, 0) == WAIT_OBJECT_0 + 1);
    CHECK(WaitForMultipleObjects(3, ah, FALSE, 0) == WAIT_OBJECT_0 + 2);
    CHECK(WaitForMultipleObjects(3, ah, FALSE, 0) == WAIT_TIMEOUT);
    CHECK(SetEvent(ah[0]) && SetEvent(ah[1]) && ReleaseSemaphore(ah[2], 1, NULL));
    CHECK(WaitForMultipleObjects(3, ah, TRUE, INFINITE) == WAIT_OBJECT_0);
    CHECK(WaitForSingleObject(ah[0], 0) == WAIT_OBJECT_0 && WaitForSingleObject(ah[1], 0) == WAIT_TIMEOUT);
    CHECK(ResetEvent(ah[0]) && WaitForSingleObject(ah[0], 0) == WAIT_TIMEOUT);
    CHECK(!ReleaseSemaphore(ah[2], 3, NULL) && GetLastError() == ERROR_TOO_MANY_POSTS);
    CHECK(ReleaseSemaphore(ah[2], 2, (LONG *)&i) && i == 0);
    CHECK(!SetEvent(ah[2]) && GetLastError() == ERROR_INVALID_HANDLE);
    CHECK(CreateSemaphore(NULL, 3, 2, NULL) == NULL && GetLastError() == ERROR_INVALID_PARAMETER);
    for (i = 0; i < 3; i++)
        CHECK(CloseHandle(ah[i]));
    CHECK(!CloseHandle(ah[0]) && GetLastError() == ERROR_INVALID_HANDLE);
    CHECK(WaitForSingleObject(ah[0], 0) == WAIT_FAILED && WaitForMultipleObjects(0, ah, FALSE, 0) == WAIT_FAILED);
    CHECK(!CloseHandle(NULL) && !CloseHandle(INVALID_HANDLE_VALUE));
    for (i = 0; i < 100000; i++) { /* places are used again, but a closed handle is not that of another event */
        ah[2] = CreateEvent(NULL, TRUE, TRUE, NULL);
        CHECK(ah[2] != NULL && ah[2] != ah[1] && CloseHandle(ah[2]));
    }
    return 0;
}

static int Threads(void)
{
    HANDLE hThread, hEvent;
    DWORD dwCode, dwId;
    LONG lSum = 0;
    unsigned uId;

    g_hMutex = CreateMutex(NULL, TRUE, NULL);
    CHECK(WaitForSingleObject(g_hMutex, 0) == WAIT_OBJECT_0 && ReleaseMutex(g_hMutex)); /* recursive */
    g_dwTls = TlsAlloc();
    CHECK(g_dwTls != TLS_OUT_OF_INDEXES && TlsGetValue(g_dwTls) == NULL && TlsSetValue(g_dwTls, &lSum) && TlsGetValue(g_dwTls) == &lSum);
    hThread = CreateThread(NULL, 65536, Stranger, (LPVOID)(UINT_PTR)GetCurrentThreadId(), 0, &dwId);
    CHECK(hThread != NULL && dwId != GetCurrentThreadId());
    CHECK(WaitForSingleObject(hThread, INFINITE) == WAIT_OBJECT_0 && GetExitCodeThread(hThread, &dwCode));
    CHECK(dwCode == 42);
    CHECK(ReleaseMutex(g_hMutex) && !ReleaseMutex(g_hMutex) && CloseHandle(g_hMutex) && CloseHandle(hThread));
    CHECK(TlsFree(g_dwTls) && !TlsSetValue(g_dwTls, NULL) && !GetExitCodeThread(hThread, &dwCode));
    CHECK(CreateThread(NULL, 0, Stranger, NULL, 4, NULL) == NULL && GetLastError() == ERROR_INVALID_PARAMETER); /* suspended */

    hThread = (HANDLE)_beginthreadex(NULL, 0, Seven, &lSum, 0, &uId);
    CHECK(WaitForSingleObject(hThread, INFINITE) == WAIT_OBJECT_0 && GetExitCodeThread(hThread, &dwCode) && dwCode == 7 && lSum == 7);
    CloseHandle(hThread);
    hEvent = CreateEvent(NULL, FALSE, FALSE, NULL);
    CHECK(_beginthread(Signal, 0, hEvent) != (uintptr_t)-1 && WaitForSingleObject(hEvent, INFINITE) == WAIT_OBJECT_0);
    CloseHandle(hEvent);
    CHECK(g_lAttached >= 4 && g_lDetached >= 2); /* Begin's own is attached too */
    CHECK(DisableThreadLibraryCalls(g_hInstance) && !DisableThreadLibraryCalls(NULL));
    CHECK(GetCurrentProcessId() != 0);
    return 0;
}

static DWORD WINAPI Leaver(LPVOID lp) /* ends with mutexes that it has */
{
    HANDLE *ah = (HANDLE *)lp;

    if (WaitForSingleObject(ah[0], INFINITE) != WAIT_OBJECT_0 || WaitForSingleObject(ah[0], 0) != WAIT_OBJECT_0)
        return 1;
    if (WaitForSingleObject(ah[1], INFINITE) != WAIT_OBJECT_0 || WaitForSingleObject(ah[2], INFINITE) != WAIT_OBJECT_0)
        return 2;
    SetEvent(ah[3]);
    CloseHandle(ah[2]); /* had, and no longer there when the thread ends */
    ExitThread(3);
}

static int Abandoned(void)
{
    HANDLE ah[4], hThread;
    DWORD i, dwCode;
    LONG lSum = 0;

    for (i = 0; i < 3; i++)
        CHECK((ah[i] = CreateMutex(NULL, FALSE, NULL)) != NULL);
    CHECK((ah[3] = CreateEvent(NULL, TRUE, FALSE, NULL)) != NULL);
    CHECK((hThread = CreateThread(NULL, 0, Leaver, ah, 0, NULL)) != NULL);
    CHECK(WaitForSingleObject(ah[3], INFINITE) == WAIT_OBJECT_0);
    CHECK(WaitForSingleObject(ah[0], 60000) == WAIT_ABANDONED); /* the wait begins before the thread's end, or not */
    CHECK(WaitForSingleObject(hThread, INFINITE) == WAIT_OBJECT_0 && GetExitCodeThread(hThread, &dwCode) && dwCode == 3);
    CHECK(ReleaseMutex(ah[0]) && !ReleaseMutex(ah[0]) && WaitForSingleObject(ah[0], 0) == WAIT_OBJECT_0); /* once only, and it is told once */
    CHECK(WaitForMultipleObjects(2, ah, TRUE, 0) == WAIT_ABANDONED_0 && ReleaseMutex(ah[0]) && ReleaseMutex(ah[0]) && ReleaseMutex(ah[1]));
    CHECK(CloseHandle(hThread) && (hThread = (HANDLE)_beginthreadex(NULL, 0, Seven, &lSum, 0, NULL)) != NULL);
    CHECK(WaitForMultipleObjects(2, ah, FALSE, 0) == WAIT_OBJECT_0 && WaitForSingleObject(hThread, INFINITE) == WAIT_OBJECT_0);
    CHECK(WaitForSingleObject(ah[0], 0) == WAIT_OBJECT_0 && ReleaseMutex(ah[0]) && ReleaseMutex(ah[0])); /* another thread's end changes nothing */
    CHECK(CloseHandle(hThread));
    for (i = 0; i < 2; i++)
        CHECK(CloseHandle(ah[i]));
    CHECK(!CloseHandle(ah[2]) && CloseHandle(ah[3]));
    return 0;
}

static int Twice(void) /* the same handle twice in a wait */
{
    HANDLE ah[2];
    LONG lBefore;

    CHECK((ah[0] = ah[1] = CreateSemaphore(NULL, 1, 5, NULL)) != NULL);
    CHECK(WaitForMultipleObjects(2, ah, TRUE, 0) == WAIT_FAILED && GetLastError() == ERROR_INVALID_PARAMETER);
    CHECK(ReleaseSemaphore(ah[0], 1, &lBefore) && lBefore == 1);
    CHECK(WaitForMultipleObjects(2, ah, FALSE, 0) == WAIT_OBJECT_0 && CloseHandle(ah[0]));
    return 0;
}

static int Locks(void)
{
    CRITICAL_SECTION cs;
    LONG l = 1;
    PVOID p = NULL;

    InitializeCriticalSection(&cs);
    EnterCriticalSection(&cs);
    CHECK(TryEnterCriticalSection(&cs)); /* recursive */
    LeaveCriticalSection(&cs);
    LeaveCriticalSection(&cs);
    DeleteCriticalSection(&cs);
    CHECK(InterlockedIncrement(&l) == 2 && InterlockedDecrement(&l) == 1 && InterlockedExchange(&l, 5) == 1 && InterlockedExchangeAdd(&l, 2) == 5);
    CHECK(InterlockedCompareExchange(&l, 9, 7) == 7 && l == 9 && InterlockedCompareExchange(&l, 1, 7) == 9 && l == 9);
    CHECK(InterlockedExchangePointer(&p, &l) == NULL && InterlockedCompareExchangePointer(&p, NULL, &l) == &l && p == NULL);
    return 0;
}

static int Memory(void)
{
    HANDLE hHeap = HeapCreate(0, 4096, 0);
    BYTE *p = (BYTE *)HeapAlloc(hHeap, HEAP_ZERO_MEMORY, 10);
    HGLOBAL hGlobal = GlobalAlloc(GHND, 20);
    HLOCAL hLocal = LocalAlloc(LPTR, 30);

    CHECK(p != NULL && p[0] == 0 && p[9] == 0 && HeapSize(hHeap, 0, p) == 10 && ((UINT_PTR)p & 15) == 0);
    FillMemory(p, 10, 0xee);
    p = (BYTE *)HeapReAlloc(hHeap, HEAP_ZERO_MEMORY, p, 1000);
    CHECK(p != NULL && p[9] == 0xee && p[10] == 0 && p[999] == 0 && HeapSize(hHeap, 0, p) == 1000);
    CHECK(HeapReAlloc(hHeap, HEAP_REALLOC_IN_PLACE_ONLY, p, 2000) == NULL && HeapReAlloc(hHeap, HEAP_REALLOC_IN_PLACE_ONLY, p, 500) == p);
    CHECK(HeapFree(hHeap, 0, p) && HeapFree(hHeap, 0, NULL) && HeapDestroy(hHeap) && GetProcessHeap() != NULL);
    CHECK(HeapAlloc(GetProcessHeap(), 0, (SIZE_T)-1) == NULL && GetLastError() == ERROR_NOT_ENOUGH_MEMORY);
    CHECK(GlobalLock(hGlobal) != NULL && ((BYTE *)GlobalLock(hGlobal))[19] == 0 && !GlobalUnlock(hGlobal) && GlobalFree(hGlobal) == NULL);
    CHECK(LocalLock(hLocal) != NULL && ((BYTE *)LocalLock(hLocal))[29] == 0 && !LocalUnlock(hLocal) && LocalFree(hLocal) == NULL);
    return 0;
}

static int Format(LPSTR psz, LPCSTR pszFormat, ...)
{
    va_list list;
    int n;

    va_start(list, pszFormat);
    n = wvsprintf(psz, pszFormat, list);
    va_end(list);
    return n;
}

static int Strings(void)
{
    static char szLong[3000];
    char sz[1024], szSecret[8] = "secret";

    CHECK(lstrlen("abc") == 3 && lstrlen(NULL) == 0 && lstrcmp("a", "B") > 0 && lstrcmpi("abC", "ABc") == 0 && lstrcmpi("abc", "abcd") < 0);
    CHECK(lstrcpy(sz, "abc") == sz && lstrcat(sz, "def") == sz && lstrcmp(sz, "abcdef") == 0);
    CHECK(lstrcpyn(sz, "abcdef", 4) == sz && lstrcmp(sz, "abc") == 0 && lstrcpyn(sz, "x", 0) == sz && lstrcmp(sz, "abc") == 0);
    CHECK(lstrcmp(CharUpper(lstrcpy(sz, "m\xe4rz")), "M\xe4RZ") == 0 && lstrcmp(CharLower(sz), "m\xe4rz") == 0);
    CHECK((UINT_PTR)CharUpper((LPSTR)(UINT_PTR)'q') == 'Q');
    CHECK(_stricmp("A", "a") == 0 && _strnicmp("abX", "ABy", 2) == 0 && _strnicmp("abX", "ABy", 3) < 0);
    CHECK(lstrcmp(_strupr(lstrcpy(sz, "ab1")), "AB1") == 0 && lstrcmp(_strlwr(sz), "ab1") == 0);
    CHECK(lstrcmp(_itoa(-255, sz, 10), "-255") == 0 && lstrcmp(_itoa(-1, sz, 16), "ffffffff") == 0 && lstrcmp(_itoa(0, sz, 2), "0") == 0);
    CHECK(lstrcmp(_itoa((int)0x80000000u, sz, 10), "-2147483648") == 0);

    CHECK(wsprintf(sz, "%d|%5d|%-5d|%05d|%.3d", -7, -7, -7, -7, -7) == 25 && lstrcmp(sz, "-7|   -7|-7   |-0007|-007") == 0);
    CHECK(wsprintf(sz, "%lu %u %x %#X %08lx", 4294967295u, 3u, 255u, 255u, 0xBEEFu) > 0 && lstrcmp(sz, "4294967295 3 ff 0XFF 0000beef") == 0);
    CHECK(wsprintf(sz, "%I64u %lld", 18446744073709551615ull, -1ll) > 0 && lstrcmp(sz, "18446744073709551615 -1") == 0);
    CHECK(wsprintf(sz, "[%c][%s][%.2s][%5s][%-5s][%%][%q]", 'x', "text", "text", "ab", "ab") > 0);
    CHECK(lstrcmp(sz, "[x][text][te][   ab][ab   ][%][q]") == 0);
    CHECK(wsprintf(sz, "%s%p", (char *)NULL, (void *)0xab) == 22 && lstrcmp(sz, "(null)00000000000000AB") == 0);
    FillMemory(szLong, sizeof(szLong) - 1, 'a');
    CHECK(wsprintf(sz, "%s", szLong) == 1023 && lstrlen(sz) == 1023 && wsprintf(sz, "%2000d", 1) == 1023 && wsprintf(sz, "%.2000d%", 1) > 0);
    CHECK(Format(sz, "%d %s", 1, "two") == 5 && lstrcmp(sz, "1 two") == 0);
    SecureZeroMemory(szSecret, sizeof(szSecret));
    CHECK(szSecret[0] == '\0');
    return 0;
}

static int Modules(void)
{
    HMODULE hRasman = LoadLibrary("C:\\WINNT\\System32\\rasman.dll");
    char szPath[MAX_PATH];

    CHECK(hRasman != NULL && hRasman == LoadLibrary("RASMAN") && hRasman == GetModuleHandle("Rasman.dll"));
    CHECK(GetProcAddress(hRasman, "RasSecurityDialogSend") != NULL && GetProcAddress(hRasman, "RasSecurityDialogComplete") == NULL);
    CHECK(GetLastError() == ERROR_PROC_NOT_FOUND && GetProcAddress(hRasman, (LPCSTR)(UINT_PTR)17) == NULL);
    CHECK(GetProcAddress(LoadLibrary("kernel32.dll"), "lstrlenA") == (FARPROC)lstrlenA);
    CHECK(GetProcAddress(g_hInstance, "RasSecurityDialogEnd") == (FARPROC)RasSecurityDialogEnd);
    CHECK(GetProcAddress(NULL, "x") == NULL && GetLastError() == ERROR_INVALID_HANDLE);
    CHECK(LoadLibrary("NETAPI32.DLL") == NULL && GetLastError() == ERROR_MOD_NOT_FOUND && LoadLibrary(NULL) == NULL);
    CHECK(FreeLibrary(hRasman) && !FreeLibrary(NULL) && GetModuleHandle(NULL) != NULL);
    CHECK(GetModuleFileName(g_hInstance, szPath, sizeof(szPath)) == strlen(szPath) && strstr(szPath, "windows") != NULL);
    CHECK(GetModuleFileName(NULL, szPath, sizeof(szPath)) > 0 && strstr(szPath, "windows") == NULL);
    CHECK(GetModuleFileName(g_hInstance, szPath, 4) == 4 && GetLastError() == ERROR_INSUFFICIENT_BUFFER && strlen(szPath) == 3);
    return 0;
}

static int Times(void)
{
    LARGE_INTEGER count, later, frequency;
    SYSTEMTIME utc, local;
    ULONGLONG ticks = GetTickCount64();
    FILETIME file;

    CHECK(QueryPerformanceFrequency(&frequency) && QueryPerformanceCounter(&count) && frequency.QuadPart > 0);
    Sleep(20);
    CHECK(QueryPerformanceCounter(&later) && (later.QuadPart - count.QuadPart) * 1000 / frequency.QuadPart >= 20 && GetTickCount64() - ticks >= 19);
    CHECK(GetTickCount() - (DWORD)ticks < 60000);
    GetSystemTime(&utc);
    GetLocalTime(&local);
    GetSystemTimeAsFileTime(&file);
    CHECK(utc.wYear >= 2024 && utc.wMonth >= 1 && utc.wMonth <= 12 && utc.wDayOfWeek <= 6 && utc.wMilliseconds < 1000 && local.wYear >= 2024);
    CHECK((((ULONGLONG)file.dwHighDateTime << 32 | file.dwLowDateTime) / 10000000 / 86400 / 365) >= 420);
    return 0;
}

static int Registry(void)
{
    HKEY hKey, hBelow, hBad = (HKEY)&hKey;
    DWORD dwType, dw, cb = 0;
    char sz[16];

    CHECK(RegOpenKeyEx(HKEY_LOCAL_MACHINE, "software\\EXAMPLE", 0, KEY_READ, &hKey) == ERROR_SUCCESS);
    CHECK(RegOpenKey(hKey, "Windows\\", &hBelow) == ERROR_SUCCESS && RegCloseKey(hKey) == ERROR_SUCCESS && RegCloseKey(hKey) == ERROR_INVALID_HANDLE);
    CHECK(RegQueryValueEx(hBelow, "TEXT", NULL, &dwType, NULL, &cb) == ERROR_SUCCESS && dwType == REG_SZ && cb == 6);
    cb = 5;
    CHECK(RegQueryValueEx(hBelow, "Text", NULL, NULL, (LPBYTE)sz, &cb) == ERROR_MORE_DATA && cb == 6);
    CHECK(RegQueryValueEx(hBelow, "Text", NULL, NULL, (LPBYTE)sz, &cb) == ERROR_SUCCESS && lstrcmp(sz, "a b c") == 0);
    cb = sizeof(dw);
    CHECK(RegQueryValueEx(hBelow, "Number", NULL, &dwType, (LPBYTE)&dw, &cb) == ERROR_SUCCESS && dwType == REG_DWORD && cb == 4 && dw == 4294967295u);
    CHECK(RegQueryValueEx(hBelow, NULL, NULL, &dwType, NULL, NULL) == ERROR_SUCCESS);
    CHECK(RegQueryValueEx(hBelow, "x", NULL, NULL, NULL, NULL) == ERROR_FILE_NOT_FOUND);
    CHECK(RegQueryValueEx(hBelow, "Text", NULL, NULL, (LPBYTE)sz, NULL) == ERROR_INVALID_PARAMETER && RegCloseKey(hBelow) == ERROR_SUCCESS);
    CHECK(RegQueryValueEx(hBad, "Text", NULL, NULL, NULL, NULL) == ERROR_INVALID_HANDLE && RegOpenKey(hBad, "x", &hKey) == ERROR_INVALID_HANDLE);
    CHECK(RegOpenKey(HKEY_LOCAL_MACHINE, "SOFTWARE\\Exam", &hKey) == ERROR_FILE_NOT_FOUND && hKey == NULL);
    CHECK(RegOpenKey(HKEY_CURRENT_USER, KEY, &hKey) == ERROR_FILE_NOT_FOUND && RegCloseKey(HKEY_LOCAL_MACHINE) == ERROR_SUCCESS);
    return 0;
}

DWORD WINAPI RasSecurityDialogBegin(HPORT hPort, PBYTE pSendBuf, DWORD SendBufSize, PBYTE pRecvBuf, DWORD RecvBufSize,
                                    VOID (WINAPI *RasSecurityDialogComplete)(SECURITY_MESSAGE *))
{
    static int (*const apfn[])(void) = {Events, Threads, Abandoned, Twice, Locks, Memory, Strings, Modules, Times, Registry};
    DWORD i;
    int line;

    UNREFERENCED_PARAMETER(hPort);
    UNREFERENCED_PARAMETER(RasSecurityDialogComplete);
    CHECK(SendBufSize == 1500 && RecvBufSize == 1500);
    FillMemory(pSendBuf, SendBufSize, 'x');
    FillMemory(pRecvBuf, RecvBufSize, 'x');
    SetLastError(7);
    CHECK(GetLastError() == 7);
    OutputDebugString("the debugger\n");
    for (i = 0; i < sizeof(apfn) / sizeof(apfn[0]); i++)
        if ((line = apfn[i]()) != 0)
            return (DWORD)line;
    return NO_ERROR;
}

DWORD WINAPI RasSecurityDialogEnd(HPORT hPort)
{
    UNREFERENCED_PARAMETER(hPort);
    OutputDebugString("the end\n");
    ExitProcess(3);
}
