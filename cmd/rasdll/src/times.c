/* times.c: clocks. */
#include "rasdll.h"

#include <time.h>

static ULONGLONG monotonic_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (ULONGLONG)t.tv_sec * 1000000000 + (ULONGLONG)t.tv_nsec;
}

ULONGLONG WINAPI GetTickCount64(void)
{
    return monotonic_ns() / 1000000;
}

DWORD WINAPI GetTickCount(void)
{
    return (DWORD)GetTickCount64();
}

BOOL WINAPI QueryPerformanceCounter(LARGE_INTEGER *count)
{
    count->QuadPart = (LONGLONG)monotonic_ns();
    return TRUE;
}

BOOL WINAPI QueryPerformanceFrequency(LARGE_INTEGER *frequency)
{
    frequency->QuadPart = 1000000000;
    return TRUE;
}

static void put(LPSYSTEMTIME to, const struct tm *t, long ns)
{
    to->wYear = (WORD)(t->tm_year + 1900);
    to->wMonth = (WORD)(t->tm_mon + 1);
    to->wDayOfWeek = (WORD)t->tm_wday;
    to->wDay = (WORD)t->tm_mday;
    to->wHour = (WORD)t->tm_hour;
    to->wMinute = (WORD)t->tm_min;
    to->wSecond = (WORD)t->tm_sec;
    to->wMilliseconds = (WORD)(ns / 1000000);
}

VOID WINAPI GetSystemTime(LPSYSTEMTIME time)
{
    struct timespec now;
    struct tm parts;

    clock_gettime(CLOCK_REALTIME, &now);
    put(time, gmtime_r(&now.tv_sec, &parts), now.tv_nsec);
}

VOID WINAPI GetLocalTime(LPSYSTEMTIME time)
{
    struct timespec now;
    struct tm parts;

    clock_gettime(CLOCK_REALTIME, &now);
    put(time, localtime_r(&now.tv_sec, &parts), now.tv_nsec);
}

VOID WINAPI GetSystemTimeAsFileTime(LPFILETIME time)
{
    struct timespec now;
    uint64_t ticks; /* of 100 ns since 1601 */

    clock_gettime(CLOCK_REALTIME, &now);
    ticks = ((uint64_t)now.tv_sec + 11644473600u) * 10000000 + (uint64_t)now.tv_nsec / 100;
    time->dwLowDateTime = (DWORD)ticks;
    time->dwHighDateTime = (DWORD)(ticks >> 32);
}
