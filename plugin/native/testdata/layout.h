/*
 * layout.h: the layout of rasshost.h as published, checked by the compiler. Included by layout.c and layout.cpp, with a HANDLE and with a
 * DWORD for HPORT (MESSAGE_SIZE says which).
 */
#include <windows.h>
#include <rasshost.h>
#include <raserror.h>

#include <stddef.h>

#ifdef __cplusplus
#define CHECK(name, condition) static_assert(condition, #name)
#else
#define CHECK(name, condition) _Static_assert(condition, #name)
#endif

CHECK(types, sizeof(BYTE) == 1 && sizeof(WORD) == 2 && sizeof(DWORD) == 4 && sizeof(LONG) == 4 && sizeof(BOOL) == 4 && sizeof(CHAR) == 1);
CHECK(wide, sizeof(WCHAR) == 2);
CHECK(pointers, sizeof(HANDLE) == 8 && sizeof(LPVOID) == 8 && sizeof(HMODULE) == 8);
CHECK(names, UNLEN == 256 && DNLEN == 15);
CHECK(verdicts, SECURITYMSG_SUCCESS == 1 && SECURITYMSG_FAILURE == 2 && SECURITYMSG_ERROR == 3);
CHECK(codes, NO_ERROR == 0 && SUCCESS == 0 && PENDING == 600 && ERROR_PORT_DISCONNECTED == 619);

#if MESSAGE_SIZE == 296
CHECK(hport, sizeof(HPORT) == sizeof(HANDLE));
CHECK(message, sizeof(SECURITY_MESSAGE) == 296);
CHECK(message_id, offsetof(SECURITY_MESSAGE, dwMsgId) == 0);
CHECK(message_port, offsetof(SECURITY_MESSAGE, hPort) == 8);
CHECK(message_error, offsetof(SECURITY_MESSAGE, dwError) == 16);
CHECK(message_user, offsetof(SECURITY_MESSAGE, UserName) == 20);
CHECK(message_domain, offsetof(SECURITY_MESSAGE, Domain) == 277);
#elif MESSAGE_SIZE == 288
CHECK(hport, sizeof(HPORT) == sizeof(DWORD));
CHECK(message, sizeof(SECURITY_MESSAGE) == 288);
CHECK(message_id, offsetof(SECURITY_MESSAGE, dwMsgId) == 0);
CHECK(message_port, offsetof(SECURITY_MESSAGE, hPort) == 4);
CHECK(message_error, offsetof(SECURITY_MESSAGE, dwError) == 8);
CHECK(message_user, offsetof(SECURITY_MESSAGE, UserName) == 12);
CHECK(message_domain, offsetof(SECURITY_MESSAGE, Domain) == 269);
#else
#error MESSAGE_SIZE is 296 or 288
#endif

CHECK(info, sizeof(RAS_SECURITY_INFO) == 140);
CHECK(info_error, offsetof(RAS_SECURITY_INFO, LastError) == 0);
CHECK(info_bytes, offsetof(RAS_SECURITY_INFO, BytesReceived) == 4);
CHECK(info_device, offsetof(RAS_SECURITY_INFO, DeviceName) == 8);
CHECK(fields, sizeof(((SECURITY_MESSAGE *)0)->UserName) == 257 && sizeof(((SECURITY_MESSAGE *)0)->Domain) == 16 &&
      sizeof(((RAS_SECURITY_INFO *)0)->DeviceName) == 129);
