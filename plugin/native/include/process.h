/* process.h: threads in the manner of the C library. */
#ifndef RASHOST_PROCESS_H
#define RASHOST_PROCESS_H

#include "windows.h"

RASHOST_C_BEGIN

RASHOST_API uintptr_t __cdecl _beginthread(void (__cdecl *start)(void *), unsigned stack_size, void *argument);
RASHOST_API uintptr_t __cdecl _beginthreadex(void *security, unsigned stack_size, unsigned (__stdcall *start)(void *), void *argument,
                                             unsigned flags, unsigned *thread_id);
RASHOST_API void __cdecl _endthread(void) __attribute__((noreturn));
RASHOST_API void __cdecl _endthreadex(unsigned code) __attribute__((noreturn));

RASHOST_C_END

#endif
