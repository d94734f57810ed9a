/* library.c: the security library, and the modules that it can name. */
#include "rasdll.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct library library;

/* What an HMODULE points to. */
struct module {
    const char *name; /* without .DLL */
};
static struct module the_library = {""}, program = {"RASDLL"}, rasman = {"RASMAN"};
static struct module windows[] = {{"KERNEL32"}, {"USER32"}, {"ADVAPI32"}};

static char library_path[4096];
static pthread_mutex_t loader_lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP; /* as on Windows: one DllMain at a time */
static bool attached; /* guarded by loader_lock */
static atomic_bool deaf; /* DisableThreadLibraryCalls */

/* How long DllMain and destructors have at the end; the host waits for 2 s. */
#define END_LIMIT_MS 1000

/* --- Loading --- */

static bool find_exports(const char *path)
{
    bool complete = true;

    library.begin = dlsym(library.handle, "RasSecurityDialogBegin");
    library.end = dlsym(library.handle, "RasSecurityDialogEnd");
    if (library.begin == NULL) {
        fprintf(stderr, "rasdll: %s does not export RasSecurityDialogBegin\n", path);
        complete = false;
    }
    if (library.end == NULL) {
        fprintf(stderr, "rasdll: %s does not export RasSecurityDialogEnd\n", path);
        complete = false;
    }
    library.dll_main = (BOOL (*)(HINSTANCE, DWORD, LPVOID))dlsym(library.handle, "DllMain");
    return complete;
}

/* Decides how large the library's HPORT is: what it says itself counts. */
static bool find_hport(const char *path, enum hport_size wanted)
{
    const BYTE *own = dlsym(library.handle, "rasshost_hport_size");

    if (own == NULL && wanted == HPORT_UNKNOWN) {
        fprintf(stderr, "rasdll: %s does not say how large its HPORT is, because it was not built with our rasshost.h: say hport handle or"
                        " hport dword\n", path);
        return false;
    }
    if (own != NULL && *own != HPORT_DWORD && *own != HPORT_HANDLE) {
        fprintf(stderr, "rasdll: %s has an HPORT of %u bytes, which is neither a HANDLE nor a DWORD\n", path, *own);
        return false;
    }
    if (own != NULL && wanted != HPORT_UNKNOWN && *own != (BYTE)wanted) {
        fprintf(stderr, "rasdll: %s has an HPORT of %u bytes, but hport %s was asked for\n", path, *own,
                wanted == HPORT_DWORD ? "dword" : "handle");
        return false;
    }
    library.hport = own != NULL ? (enum hport_size)*own : wanted;
    library.hport_source = own != NULL ? "it says so" : "--hport";
    return true;
}

static bool attach(const char *path)
{
    BOOL ok;

    if (library.dll_main == NULL)
        return true;
    pthread_mutex_lock(&loader_lock);
    ok = library.dll_main(&the_library, DLL_PROCESS_ATTACH, NULL);
    attached = ok != FALSE;
    pthread_mutex_unlock(&loader_lock);
    if (!ok)
        fprintf(stderr, "rasdll: DllMain of %s refused to be loaded\n", path);
    return ok != FALSE;
}

bool library_load(const char *path, enum hport_size hport)
{
    const char *fault;

    snprintf(library_path, sizeof(library_path), strchr(path, '/') != NULL ? "%s" : "./%s", path); /* never from the system's folders */
    if (missing_part(library_path)) {
        fprintf(stderr, "rasdll: %s is no shared library, or has been cut short\n", path);
        return false;
    }
    library.handle = dlopen(library_path, RTLD_NOW | RTLD_LOCAL);
    if (library.handle == NULL) {
        fault = dlerror();
        if (missing_report(library_path) == 0)
            fprintf(stderr, "rasdll: %s\n", fault != NULL ? fault : "the library cannot be loaded");
        return false;
    }
    return find_exports(path) && find_hport(path, hport) && attach(path);
}

/* Ends the process if the library does not let it end. */
static void *end_of_patience(void *unused)
{
    UNREFERENCED_PARAMETER(unused);
    usleep(END_LIMIT_MS * 1000);
    _exit(0);
}

void library_detach(bool at_exit)
{
    pthread_t watch;

    if (at_exit && pthread_create(&watch, NULL, end_of_patience, NULL) == 0)
        pthread_detach(watch);
    pthread_mutex_lock(&loader_lock);
    if (attached) {
        attached = false;
        library.dll_main(&the_library, DLL_PROCESS_DETACH, at_exit ? &the_library : NULL);
    }
    pthread_mutex_unlock(&loader_lock);
}

void library_thread(DWORD reason)
{
    if (library.dll_main == NULL || atomic_load(&deaf))
        return;
    pthread_mutex_lock(&loader_lock);
    if (attached)
        library.dll_main(&the_library, reason, NULL);
    pthread_mutex_unlock(&loader_lock);
}

/* --- Modules --- */

/* The last part of a path, with either slash. */
static const char *base_of(const char *path)
{
    const char *base = path;

    for (; *path != '\0'; path++)
        if (*path == '/' || *path == '\\')
            base = path + 1;
    return base;
}

static bool names(const struct module *m, const char *name)
{
    size_t size = strlen(m->name);

    return _strnicmp(name, m->name, size) == 0 && (name[size] == '\0' || _stricmp(name + size, ".dll") == 0);
}

static bool is_windows(const struct module *m)
{
    return m >= windows && m < windows + sizeof(windows) / sizeof(windows[0]);
}

static struct module *module_of(HMODULE handle)
{
    struct module *m = handle;

    return m == &the_library || m == &program || m == &rasman || is_windows(m) ? m : NULL;
}

static HMODULE find_module(const char *path)
{
    const char *name = base_of(path);

    if (names(&rasman, name))
        return &rasman;
    for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++)
        if (names(&windows[i], name))
            return &windows[i];
    if (_stricmp(name, base_of(library_path)) == 0)
        return &the_library;
    SetLastError(ERROR_MOD_NOT_FOUND);
    return NULL;
}

HMODULE WINAPI LoadLibraryA(LPCSTR name)
{
    if (name == NULL) {
        SetLastError(ERROR_INVALID_PARAMETER);
        return NULL;
    }
    return find_module(name);
}

HMODULE WINAPI GetModuleHandleA(LPCSTR name)
{
    return name == NULL ? (HMODULE)&program : find_module(name);
}

BOOL WINAPI FreeLibrary(HMODULE handle)
{
    if (module_of(handle) != NULL)
        return TRUE;
    SetLastError(ERROR_INVALID_HANDLE);
    return FALSE;
}

FARPROC WINAPI GetProcAddress(HMODULE handle, LPCSTR name)
{
    struct module *m = module_of(handle);
    FARPROC found = NULL;

    if (m == NULL) {
        SetLastError(ERROR_INVALID_HANDLE);
        return NULL;
    }
    if ((uintptr_t)name <= 0xffff) /* an ordinal */
        ;
    else if (m == &rasman)
        found = port_function(name);
    else if (m == &the_library)
        found = (FARPROC)dlsym(library.handle, name);
    else if (is_windows(m))
        found = (FARPROC)dlsym(RTLD_DEFAULT, name);
    if (found == NULL)
        SetLastError(ERROR_PROC_NOT_FOUND);
    return found;
}

DWORD WINAPI GetModuleFileNameA(HMODULE handle, LPSTR path, DWORD size)
{
    char own[4096];
    const char *found = library_path;
    ssize_t n;

    if (handle == NULL || handle == &program) {
        n = readlink("/proc/self/exe", own, sizeof(own) - 1);
        own[n > 0 ? n : 0] = '\0';
        found = own;
    }
    if (size == 0 || (handle != NULL && handle != &program && handle != &the_library)) {
        SetLastError(size == 0 ? ERROR_INSUFFICIENT_BUFFER : ERROR_INVALID_HANDLE);
        return 0;
    }
    lstrcpynA(path, found, (int)min(size, sizeof(own)));
    if (strlen(found) < size)
        return (DWORD)strlen(found);
    SetLastError(ERROR_INSUFFICIENT_BUFFER);
    return size;
}

BOOL WINAPI DisableThreadLibraryCalls(HMODULE handle)
{
    if (handle == &the_library)
        atomic_store(&deaf, true);
    return handle == &the_library;
}
