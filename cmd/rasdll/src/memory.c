/* memory.c: heaps. A private heap is the process's: what is in it must be freed, HeapDestroy frees nothing. */
#include "rasdll.h"

#include <malloc.h>
#include <stdlib.h>

static char process_heap; /* its address is the handle */

HANDLE WINAPI GetProcessHeap(void)
{
    return &process_heap;
}

HANDLE WINAPI HeapCreate(DWORD options, SIZE_T initial, SIZE_T maximum)
{
    UNREFERENCED_PARAMETER(options);
    UNREFERENCED_PARAMETER(initial);
    UNREFERENCED_PARAMETER(maximum);
    return &process_heap;
}

BOOL WINAPI HeapDestroy(HANDLE heap)
{
    UNREFERENCED_PARAMETER(heap);
    return TRUE;
}

static LPVOID allocate(SIZE_T size, bool zero)
{
    void *memory = zero ? calloc(1, size != 0 ? size : 1) : malloc(size != 0 ? size : 1);

    if (memory == NULL)
        SetLastError(ERROR_NOT_ENOUGH_MEMORY);
    return memory;
}

LPVOID WINAPI HeapAlloc(HANDLE heap, DWORD flags, SIZE_T size)
{
    UNREFERENCED_PARAMETER(heap);
    return allocate(size, (flags & HEAP_ZERO_MEMORY) != 0);
}

LPVOID WINAPI HeapReAlloc(HANDLE heap, DWORD flags, LPVOID memory, SIZE_T size)
{
    size_t old = memory != NULL ? malloc_usable_size(memory) : 0;
    BYTE *grown;

    UNREFERENCED_PARAMETER(heap);
    if (memory == NULL || (flags & HEAP_REALLOC_IN_PLACE_ONLY) != 0) {
        SetLastError(ERROR_NOT_ENOUGH_MEMORY);
        return NULL;
    }
    grown = realloc(memory, size != 0 ? size : 1);
    if (grown == NULL)
        SetLastError(ERROR_NOT_ENOUGH_MEMORY);
    else if ((flags & HEAP_ZERO_MEMORY) != 0 && size > old)
        memset(grown + old, 0, size - old);
    return grown;
}

BOOL WINAPI HeapFree(HANDLE heap, DWORD flags, LPVOID memory)
{
    UNREFERENCED_PARAMETER(heap);
    UNREFERENCED_PARAMETER(flags);
    free(memory);
    return TRUE;
}

SIZE_T WINAPI HeapSize(HANDLE heap, DWORD flags, LPCVOID memory)
{
    UNREFERENCED_PARAMETER(heap);
    UNREFERENCED_PARAMETER(flags);
    return malloc_usable_size((void *)memory);
}

/* Global and local memory is never moved: its handle is its address. */

HGLOBAL WINAPI GlobalAlloc(UINT flags, SIZE_T size)
{
    return allocate(size, (flags & GMEM_ZEROINIT) != 0);
}

LPVOID WINAPI GlobalLock(HGLOBAL memory)
{
    return memory;
}

BOOL WINAPI GlobalUnlock(HGLOBAL memory)
{
    UNREFERENCED_PARAMETER(memory);
    SetLastError(NO_ERROR);
    return FALSE; /* it is unlocked */
}

HGLOBAL WINAPI GlobalFree(HGLOBAL memory)
{
    free(memory);
    return NULL;
}

HLOCAL WINAPI LocalAlloc(UINT flags, SIZE_T size)
{
    return allocate(size, (flags & LMEM_ZEROINIT) != 0);
}

LPVOID WINAPI LocalLock(HLOCAL memory)
{
    return memory;
}

BOOL WINAPI LocalUnlock(HLOCAL memory)
{
    UNREFERENCED_PARAMETER(memory);
    SetLastError(NO_ERROR);
    return FALSE;
}

HLOCAL WINAPI LocalFree(HLOCAL memory)
{
    free(memory);
    return NULL;
}

PVOID WINAPI SecureZeroMemory(PVOID memory, SIZE_T size)
{
    explicit_bzero(memory, size);
    return memory;
}
