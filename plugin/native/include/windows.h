/*
 * windows.h: the part of the Windows API that a security library finds on Linux. Everything declared here exists in rasdll, and
 * docs/native.md lists it; what is not here does not exist. Compile with -fms-extensions -fshort-wchar -fPIC.
 */
#ifndef RASHOST_WINDOWS_H
#define RASHOST_WINDOWS_H

#include <ctype.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(UNICODE) || defined(_UNICODE)
#error "rashost has the ANSI functions only: build without UNICODE and _UNICODE"
#endif

/* --- Words of the compiler --- */

#define WINAPI
#define APIENTRY
#define CALLBACK
#define PASCAL
#define WINAPIV
#define FAR
#define NEAR
#define CONST const
#define VOID void
#define __stdcall
#define _stdcall
#define __cdecl
#define _cdecl
#define __fastcall
#define __int64 long long
#define __declspec(word) RASHOST_DECLSPEC_##word
#define RASHOST_DECLSPEC_dllexport __attribute__((visibility("default")))
#define RASHOST_DECLSPEC_dllimport
#define RASHOST_DECLSPEC_thread __thread
#define RASHOST_DECLSPEC_noreturn __attribute__((noreturn))
#define RASHOST_DECLSPEC_noinline __attribute__((noinline))
#define RASHOST_DECLSPEC_align(bytes) __attribute__((aligned(bytes)))
#define UNREFERENCED_PARAMETER(p) ((void)(p))

#ifdef __cplusplus
#define RASHOST_C_BEGIN extern "C" {
#define RASHOST_C_END }
#else
#define RASHOST_C_BEGIN
#define RASHOST_C_END
#ifndef NOMINMAX
#ifndef max
#define max(a, b) (((a) > (b)) ? (a) : (b))
#endif
#ifndef min
#define min(a, b) (((a) < (b)) ? (a) : (b))
#endif
#endif
#endif
/* What a function of rasdll is declared with. */
#define RASHOST_API __attribute__((visibility("default")))

/* --- Types --- */

typedef char CHAR, *PCHAR, *PSTR, *LPSTR, *LPTSTR, TCHAR, *PTSTR;
typedef const char *PCSTR, *LPCSTR, *LPCTSTR, *PCTSTR;
typedef wchar_t WCHAR, *PWCHAR, *PWSTR, *LPWSTR;
typedef const wchar_t *PCWSTR, *LPCWSTR;
typedef signed char INT8;
typedef unsigned char UCHAR, *PUCHAR, BYTE, *PBYTE, *LPBYTE, BOOLEAN, UINT8;
typedef short SHORT, *PSHORT;
typedef unsigned short USHORT, *PUSHORT, WORD, *PWORD, *LPWORD;
typedef int INT, *PINT, *LPINT, BOOL, *PBOOL, *LPBOOL;
typedef unsigned int UINT, *PUINT;
typedef int32_t LONG, *PLONG, *LPLONG, HRESULT, INT32;
typedef uint32_t ULONG, *PULONG, DWORD, *PDWORD, *LPDWORD, UINT32, REGSAM, LCID;
typedef long long LONGLONG, LONG64, INT64;
typedef unsigned long long ULONGLONG, DWORDLONG, ULONG64, UINT64, DWORD64;
typedef float FLOAT;
typedef void *PVOID, *LPVOID;
typedef const void *LPCVOID, *PCVOID;
typedef intptr_t INT_PTR, LONG_PTR;
typedef uintptr_t UINT_PTR, ULONG_PTR, DWORD_PTR;
typedef size_t SIZE_T;
typedef void *HANDLE, **PHANDLE, **LPHANDLE, *HINSTANCE, *HMODULE, *HGLOBAL, *HLOCAL, *HKEY, **PHKEY;
typedef INT_PTR (WINAPI *FARPROC)();
typedef FARPROC PROC;

#define FALSE 0
#define TRUE 1
#define MAX_PATH 260
#define INFINITE 0xFFFFFFFFu
#define INVALID_HANDLE_VALUE ((HANDLE)(LONG_PTR)-1)
#define TEXT(text) text
#define __TEXT(text) text

#define LOWORD(l) ((WORD)((DWORD_PTR)(l) & 0xFFFF))
#define HIWORD(l) ((WORD)(((DWORD_PTR)(l) >> 16) & 0xFFFF))
#define LOBYTE(w) ((BYTE)((DWORD_PTR)(w) & 0xFF))
#define HIBYTE(w) ((BYTE)(((DWORD_PTR)(w) >> 8) & 0xFF))
#define MAKEWORD(low, high) ((WORD)(((BYTE)(low)) | ((WORD)((BYTE)(high))) << 8))
#define MAKELONG(low, high) ((LONG)(((WORD)(low)) | ((DWORD)((WORD)(high))) << 16))

typedef union _LARGE_INTEGER {
    __extension__ struct {
        DWORD LowPart;
        LONG HighPart;
    };
    struct {
        DWORD LowPart;
        LONG HighPart;
    } u;
    LONGLONG QuadPart;
} LARGE_INTEGER, *PLARGE_INTEGER;

typedef struct _FILETIME {
    DWORD dwLowDateTime;
    DWORD dwHighDateTime;
} FILETIME, *PFILETIME, *LPFILETIME;

typedef struct _SYSTEMTIME {
    WORD wYear, wMonth, wDayOfWeek, wDay, wHour, wMinute, wSecond, wMilliseconds;
} SYSTEMTIME, *PSYSTEMTIME, *LPSYSTEMTIME;

typedef struct _SECURITY_ATTRIBUTES {
    DWORD nLength;
    LPVOID lpSecurityDescriptor;
    BOOL bInheritHandle;
} SECURITY_ATTRIBUTES, *PSECURITY_ATTRIBUTES, *LPSECURITY_ATTRIBUTES;

/* Only the functions below look into it; 48 bytes are more than enough for what Windows sources know of its size. */
typedef struct _CRITICAL_SECTION {
    union {
        BYTE Opaque[48];
        LONGLONG Align;
    } Private;
} CRITICAL_SECTION, *PCRITICAL_SECTION, *LPCRITICAL_SECTION;

typedef DWORD (WINAPI *LPTHREAD_START_ROUTINE)(LPVOID);
typedef DWORD (WINAPI *PTHREAD_START_ROUTINE)(LPVOID);

#include "winerror.h"

RASHOST_C_BEGIN

/* --- The library's own: called when it is loaded, unloaded, and for its threads, if it is exported --- */

#define DLL_PROCESS_DETACH 0
#define DLL_PROCESS_ATTACH 1
#define DLL_THREAD_ATTACH 2
#define DLL_THREAD_DETACH 3
BOOL WINAPI DllMain(HINSTANCE hinstDLL, DWORD fdwReason, LPVOID lpvReserved);

/* --- Libraries --- */

RASHOST_API HMODULE WINAPI LoadLibraryA(LPCSTR lpLibFileName);
RASHOST_API BOOL WINAPI FreeLibrary(HMODULE hLibModule);
RASHOST_API FARPROC WINAPI GetProcAddress(HMODULE hModule, LPCSTR lpProcName);
RASHOST_API HMODULE WINAPI GetModuleHandleA(LPCSTR lpModuleName);
RASHOST_API DWORD WINAPI GetModuleFileNameA(HMODULE hModule, LPSTR lpFilename, DWORD nSize);
RASHOST_API BOOL WINAPI DisableThreadLibraryCalls(HMODULE hLibModule);
#define LoadLibrary LoadLibraryA
#define GetModuleHandle GetModuleHandleA
#define GetModuleFileName GetModuleFileNameA

/* --- Errors and the debugger --- */

RASHOST_API DWORD WINAPI GetLastError(void);
RASHOST_API VOID WINAPI SetLastError(DWORD dwErrCode);
RASHOST_API VOID WINAPI OutputDebugStringA(LPCSTR lpOutputString);
#define OutputDebugString OutputDebugStringA

/* --- Handles and waits --- */

#define WAIT_OBJECT_0 0
#define WAIT_ABANDONED 0x80
#define WAIT_ABANDONED_0 0x80
#define WAIT_TIMEOUT 258
#define WAIT_FAILED 0xFFFFFFFFu
#define MAXIMUM_WAIT_OBJECTS 64
#define STILL_ACTIVE 259

RASHOST_API BOOL WINAPI CloseHandle(HANDLE hObject);
RASHOST_API DWORD WINAPI WaitForSingleObject(HANDLE hHandle, DWORD dwMilliseconds);
RASHOST_API DWORD WINAPI WaitForMultipleObjects(DWORD nCount, const HANDLE *lpHandles, BOOL bWaitAll, DWORD dwMilliseconds);
RASHOST_API HANDLE WINAPI CreateEventA(LPSECURITY_ATTRIBUTES lpAttributes, BOOL bManualReset, BOOL bInitialState, LPCSTR lpName);
RASHOST_API BOOL WINAPI SetEvent(HANDLE hEvent);
RASHOST_API BOOL WINAPI ResetEvent(HANDLE hEvent);
RASHOST_API HANDLE WINAPI CreateMutexA(LPSECURITY_ATTRIBUTES lpAttributes, BOOL bInitialOwner, LPCSTR lpName);
RASHOST_API BOOL WINAPI ReleaseMutex(HANDLE hMutex);
RASHOST_API HANDLE WINAPI CreateSemaphoreA(LPSECURITY_ATTRIBUTES lpAttributes, LONG lInitialCount, LONG lMaximumCount, LPCSTR lpName);
RASHOST_API BOOL WINAPI ReleaseSemaphore(HANDLE hSemaphore, LONG lReleaseCount, LPLONG lpPreviousCount);
#define CreateEvent CreateEventA
#define CreateMutex CreateMutexA
#define CreateSemaphore CreateSemaphoreA

/* --- Threads and the process --- */

RASHOST_API HANDLE WINAPI CreateThread(LPSECURITY_ATTRIBUTES lpAttributes, SIZE_T dwStackSize, LPTHREAD_START_ROUTINE lpStartAddress,
                                       LPVOID lpParameter, DWORD dwCreationFlags, LPDWORD lpThreadId);
RASHOST_API VOID WINAPI ExitThread(DWORD dwExitCode) __attribute__((noreturn));
RASHOST_API BOOL WINAPI GetExitCodeThread(HANDLE hThread, LPDWORD lpExitCode);
RASHOST_API DWORD WINAPI GetCurrentThreadId(void);
RASHOST_API DWORD WINAPI GetCurrentProcessId(void);
RASHOST_API VOID WINAPI ExitProcess(UINT uExitCode) __attribute__((noreturn));
RASHOST_API VOID WINAPI Sleep(DWORD dwMilliseconds);

#define TLS_OUT_OF_INDEXES 0xFFFFFFFFu
RASHOST_API DWORD WINAPI TlsAlloc(void);
RASHOST_API LPVOID WINAPI TlsGetValue(DWORD dwTlsIndex);
RASHOST_API BOOL WINAPI TlsSetValue(DWORD dwTlsIndex, LPVOID lpTlsValue);
RASHOST_API BOOL WINAPI TlsFree(DWORD dwTlsIndex);

RASHOST_API VOID WINAPI InitializeCriticalSection(LPCRITICAL_SECTION lpCriticalSection);
RASHOST_API VOID WINAPI EnterCriticalSection(LPCRITICAL_SECTION lpCriticalSection);
RASHOST_API BOOL WINAPI TryEnterCriticalSection(LPCRITICAL_SECTION lpCriticalSection);
RASHOST_API VOID WINAPI LeaveCriticalSection(LPCRITICAL_SECTION lpCriticalSection);
RASHOST_API VOID WINAPI DeleteCriticalSection(LPCRITICAL_SECTION lpCriticalSection);

RASHOST_API LONG WINAPI InterlockedIncrement(LONG volatile *lpAddend);
RASHOST_API LONG WINAPI InterlockedDecrement(LONG volatile *lpAddend);
RASHOST_API LONG WINAPI InterlockedExchange(LONG volatile *lpTarget, LONG lValue);
RASHOST_API LONG WINAPI InterlockedExchangeAdd(LONG volatile *lpAddend, LONG lValue);
RASHOST_API LONG WINAPI InterlockedCompareExchange(LONG volatile *lpDestination, LONG lExchange, LONG lComparand);
RASHOST_API PVOID WINAPI InterlockedExchangePointer(PVOID volatile *lpTarget, PVOID lpValue);
RASHOST_API PVOID WINAPI InterlockedCompareExchangePointer(PVOID volatile *lpDestination, PVOID lpExchange, PVOID lpComparand);

/* --- Memory --- */

#define HEAP_NO_SERIALIZE 0x1
#define HEAP_GENERATE_EXCEPTIONS 0x4 /* has no effect: there is no SEH */
#define HEAP_ZERO_MEMORY 0x8
#define HEAP_REALLOC_IN_PLACE_ONLY 0x10
#define GMEM_FIXED 0x0
#define GMEM_MOVEABLE 0x2
#define GMEM_ZEROINIT 0x40
#define GPTR 0x40
#define GHND 0x42
#define LMEM_FIXED 0x0
#define LMEM_MOVEABLE 0x2
#define LMEM_ZEROINIT 0x40
#define LPTR 0x40
#define LHND 0x42

RASHOST_API HANDLE WINAPI GetProcessHeap(void);
RASHOST_API HANDLE WINAPI HeapCreate(DWORD flOptions, SIZE_T dwInitialSize, SIZE_T dwMaximumSize);
RASHOST_API BOOL WINAPI HeapDestroy(HANDLE hHeap);
RASHOST_API LPVOID WINAPI HeapAlloc(HANDLE hHeap, DWORD dwFlags, SIZE_T dwBytes);
RASHOST_API LPVOID WINAPI HeapReAlloc(HANDLE hHeap, DWORD dwFlags, LPVOID lpMem, SIZE_T dwBytes);
RASHOST_API BOOL WINAPI HeapFree(HANDLE hHeap, DWORD dwFlags, LPVOID lpMem);
RASHOST_API SIZE_T WINAPI HeapSize(HANDLE hHeap, DWORD dwFlags, LPCVOID lpMem);
RASHOST_API HGLOBAL WINAPI GlobalAlloc(UINT uFlags, SIZE_T dwBytes);
RASHOST_API LPVOID WINAPI GlobalLock(HGLOBAL hMem);
RASHOST_API BOOL WINAPI GlobalUnlock(HGLOBAL hMem);
RASHOST_API HGLOBAL WINAPI GlobalFree(HGLOBAL hMem);
RASHOST_API HLOCAL WINAPI LocalAlloc(UINT uFlags, SIZE_T uBytes);
RASHOST_API LPVOID WINAPI LocalLock(HLOCAL hMem);
RASHOST_API BOOL WINAPI LocalUnlock(HLOCAL hMem);
RASHOST_API HLOCAL WINAPI LocalFree(HLOCAL hMem);
RASHOST_API PVOID WINAPI SecureZeroMemory(PVOID ptr, SIZE_T cnt);
#define CopyMemory(to, from, size) memcpy((to), (from), (size))
#define MoveMemory(to, from, size) memmove((to), (from), (size))
#define FillMemory(to, size, byte) memset((to), (byte), (size))
#define ZeroMemory(to, size) memset((to), 0, (size))
#define RtlCopyMemory CopyMemory
#define RtlMoveMemory MoveMemory
#define RtlFillMemory FillMemory
#define RtlZeroMemory ZeroMemory
#define RtlSecureZeroMemory SecureZeroMemory

/* --- Strings --- */

RASHOST_API int WINAPI lstrlenA(LPCSTR lpString);
RASHOST_API LPSTR WINAPI lstrcpyA(LPSTR lpString1, LPCSTR lpString2);
RASHOST_API LPSTR WINAPI lstrcpynA(LPSTR lpString1, LPCSTR lpString2, int iMaxLength);
RASHOST_API LPSTR WINAPI lstrcatA(LPSTR lpString1, LPCSTR lpString2);
RASHOST_API int WINAPI lstrcmpA(LPCSTR lpString1, LPCSTR lpString2);
RASHOST_API int WINAPI lstrcmpiA(LPCSTR lpString1, LPCSTR lpString2);
RASHOST_API LPSTR WINAPI CharUpperA(LPSTR lpsz);
RASHOST_API LPSTR WINAPI CharLowerA(LPSTR lpsz);
RASHOST_API int WINAPIV wsprintfA(LPSTR lpOut, LPCSTR lpFormat, ...);
RASHOST_API int WINAPI wvsprintfA(LPSTR lpOut, LPCSTR lpFormat, va_list arglist);
RASHOST_API int __cdecl _stricmp(const char *string1, const char *string2);
RASHOST_API int __cdecl _strnicmp(const char *string1, const char *string2, size_t count);
RASHOST_API char *__cdecl _strupr(char *string);
RASHOST_API char *__cdecl _strlwr(char *string);
RASHOST_API char *__cdecl _itoa(int value, char *buffer, int radix);
#define lstrlen lstrlenA
#define lstrcpy lstrcpyA
#define lstrcpyn lstrcpynA
#define lstrcat lstrcatA
#define lstrcmp lstrcmpA
#define lstrcmpi lstrcmpiA
#define CharUpper CharUpperA
#define CharLower CharLowerA
#define wsprintf wsprintfA
#define wvsprintf wvsprintfA
#define stricmp _stricmp
#define strnicmp _strnicmp
#define strcmpi _stricmp
#define strupr _strupr
#define strlwr _strlwr
#define itoa _itoa
#define _snprintf snprintf
#define _vsnprintf vsnprintf
#define _strdup strdup

/* --- Time --- */

RASHOST_API DWORD WINAPI GetTickCount(void);
RASHOST_API ULONGLONG WINAPI GetTickCount64(void);
RASHOST_API BOOL WINAPI QueryPerformanceCounter(LARGE_INTEGER *lpPerformanceCount);
RASHOST_API BOOL WINAPI QueryPerformanceFrequency(LARGE_INTEGER *lpFrequency);
RASHOST_API VOID WINAPI GetSystemTime(LPSYSTEMTIME lpSystemTime);
RASHOST_API VOID WINAPI GetLocalTime(LPSYSTEMTIME lpSystemTime);
RASHOST_API VOID WINAPI GetSystemTimeAsFileTime(LPFILETIME lpSystemTimeAsFileTime);

/* --- Registry: what the configuration puts there, to be read --- */

#define HKEY_CLASSES_ROOT ((HKEY)(ULONG_PTR)0x80000000u)
#define HKEY_CURRENT_USER ((HKEY)(ULONG_PTR)0x80000001u)
#define HKEY_LOCAL_MACHINE ((HKEY)(ULONG_PTR)0x80000002u)
#define HKEY_USERS ((HKEY)(ULONG_PTR)0x80000003u)
#define KEY_QUERY_VALUE 0x1
#define KEY_SET_VALUE 0x2
#define KEY_ENUMERATE_SUB_KEYS 0x8
#define KEY_NOTIFY 0x10
#define KEY_EXECUTE 0x20019
#define KEY_READ 0x20019
#define KEY_WRITE 0x20006
#define KEY_ALL_ACCESS 0xF003F
#define REG_NONE 0
#define REG_SZ 1
#define REG_EXPAND_SZ 2
#define REG_BINARY 3
#define REG_DWORD 4
#define REG_MULTI_SZ 7

RASHOST_API LONG WINAPI RegOpenKeyA(HKEY hKey, LPCSTR lpSubKey, PHKEY phkResult);
RASHOST_API LONG WINAPI RegOpenKeyExA(HKEY hKey, LPCSTR lpSubKey, DWORD ulOptions, REGSAM samDesired, PHKEY phkResult);
RASHOST_API LONG WINAPI RegQueryValueExA(HKEY hKey, LPCSTR lpValueName, LPDWORD lpReserved, LPDWORD lpType, LPBYTE lpData, LPDWORD lpcbData);
RASHOST_API LONG WINAPI RegCloseKey(HKEY hKey);
#define RegOpenKey RegOpenKeyA
#define RegOpenKeyEx RegOpenKeyExA
#define RegQueryValueEx RegQueryValueExA

RASHOST_C_END

#ifdef __cplusplus
static_assert(sizeof(WCHAR) == 2, "compile with -fshort-wchar");
#else
_Static_assert(sizeof(WCHAR) == 2, "compile with -fshort-wchar");
#endif

#endif
