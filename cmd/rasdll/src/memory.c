/*
 * memory.c: heaps. There is one, the process's, whatever its handle. A block has its size before it, so that what Windows says about sizes is
 * exact; memory that is global or local is never moved, and its handle is its address.
 */
#include "rasdll.h"

#include <stdalign.h>
#include <stdlib.h>

struct block {
    size_t size;
    alignas(16) BYTE bytes[];
};

static char process_heap; /* its address is the handle */

static struct block *block_of(LPCVOID memory)
{
    return (struct block *)((BYTE *)memory - offsetof(struct block, bytes));
}

/* NULL memory is a new block. */
static LPVOID resize(LPVOID memory, SIZE_T size, bool zero)
{
    struct block *old = memory != NULL ? block_of(memory) : NULL;
    size_t had = old != NULL ? old->size : 0;
    struct block *b = size <= PTRDIFF_MAX - sizeof(*b) ? realloc(old, sizeof(*b) + size) : NULL;

    if (b == NULL) {
        SetLastError(ERROR_NOT_ENOUGH_MEMORY);
        return NULL;
    }
    b->size = size;
    if (zero && size > had)
        memset(b->bytes + had, 0, size - had);
    return b->bytes;
}

static void give_back(LPVOID memory)
{
    if (memory != NULL)
        free(block_of(memory));
}

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

LPVOID WINAPI HeapAlloc(HANDLE heap, DWORD flags, SIZE_T size)
{
    UNREFERENCED_PARAMETER(heap);
    return resize(NULL, size, (flags & HEAP_ZERO_MEMORY) != 0);
}

LPVOID WINAPI HeapReAlloc(HANDLE heap, DWORD flags, LPVOID memory, SIZE_T size)
{
    UNREFERENCED_PARAMETER(heap);
    if (memory == NULL || ((flags & HEAP_REALLOC_IN_PLACE_ONLY) != 0 && size > block_of(memory)->size)) {
        SetLastError(memory == NULL ? ERROR_INVALID_PARAMETER : ERROR_NOT_ENOUGH_MEMORY);
        return NULL;
    }
    if ((flags & HEAP_REALLOC_IN_PLACE_ONLY) != 0) {
        block_of(memory)->size = size;
        return memory;
    }
    return resize(memory, size, (flags & HEAP_ZERO_MEMORY) != 0);
}

BOOL WINAPI HeapFree(HANDLE heap, DWORD flags, LPVOID memory)
{
    UNREFERENCED_PARAMETER(heap);
    UNREFERENCED_PARAMETER(flags);
    give_back(memory);
    return TRUE;
}

SIZE_T WINAPI HeapSize(HANDLE heap, DWORD flags, LPCVOID memory)
{
    UNREFERENCED_PARAMETER(heap);
    UNREFERENCED_PARAMETER(flags);
    return block_of(memory)->size;
}

HGLOBAL WINAPI GlobalAlloc(UINT flags, SIZE_T size)
{
    return resize(NULL, size, (flags & GMEM_ZEROINIT) != 0);
}

LPVOID WINAPI GlobalLock(HGLOBAL memory)
{
    return memory;
}

BOOL WINAPI GlobalUnlock(HGLOBAL memory)
{
    UNREFERENCED_PARAMETER(memory);
    SetLastError(NO_ERROR); /* FALSE and no error: it is unlocked */
    return FALSE;
}

HGLOBAL WINAPI GlobalFree(HGLOBAL memory)
{
    give_back(memory);
    return NULL;
}

HLOCAL WINAPI LocalAlloc(UINT flags, SIZE_T size)
{
    return GlobalAlloc(flags, size);
}

LPVOID WINAPI LocalLock(HLOCAL memory)
{
    return memory;
}

BOOL WINAPI LocalUnlock(HLOCAL memory)
{
    return GlobalUnlock(memory);
}

HLOCAL WINAPI LocalFree(HLOCAL memory)
{
    return GlobalFree(memory);
}

PVOID WINAPI SecureZeroMemory(PVOID memory, SIZE_T size)
{
    explicit_bzero(memory, size);
    return memory;
}
