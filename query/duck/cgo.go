package duck

/*
#include <stdint.h>
#include <stdlib.h>

void tidemarkReplace(void *info, char *name, void *db);
void tidemarkBind(void *info);
void tidemarkInit(void *info);
void tidemarkLocal(void *info);
void tidemarkScan(void *info, void *chunk);
void tidemarkUnbox(void *box);
*/
import "C"

import (
	"runtime/cgo"
	"sync/atomic"
	"unsafe"

	bindings "github.com/duckdb/duckdb-go-bindings"
)

// What DuckDB calls in us, from threads of its own. It holds Go values by boxes: C memory with a handle in it.

// scanFunction is the table function that reads what is handed in; nobody may call it by name (D4).
const scanFunction = "__tidemark_scan"

// boxed is what is in a box, and the number of boxes that are held.
type boxed struct {
	value any
	held  *atomic.Int64
}

func (db *DB) box(v any) unsafe.Pointer {
	p := C.malloc(C.size_t(unsafe.Sizeof(cgo.Handle(0))))
	*(*cgo.Handle)(p) = cgo.NewHandle(&boxed{v, &db.boxes})
	db.boxes.Add(1)
	return p
}

func unbox[T any](p unsafe.Pointer) T { return (*(*cgo.Handle)(p)).Value().(*boxed).value.(T) }

//export tidemarkUnbox
func tidemarkUnbox(p unsafe.Pointer) {
	h := *(*cgo.Handle)(p)
	b := h.Value().(*boxed)
	if c, ok := b.value.(*cursor); ok {
		c.release()
	}
	b.held.Add(-1)
	h.Delete()
	C.free(p)
}

// register makes the tables that are handed in known to DuckDB: a name that it does not know becomes a call of the scan
// function, which finds the table in the session of its connection.
func (e *engine) register(c *conn) {
	f := bindings.CreateTableFunction()
	defer bindings.DestroyTableFunction(&f)
	text := bindings.CreateLogicalType(bindings.TypeVarchar)
	defer bindings.DestroyLogicalType(&text)
	unboxed := unsafe.Pointer(C.tidemarkUnbox)
	bindings.TableFunctionSetName(f, scanFunction)
	bindings.TableFunctionAddParameter(f, text)
	bindings.TableFunctionSetExtraInfo(f, e.db.box(e), unboxed)
	bindings.TableFunctionSupportsProjectionPushdown(f, true)
	bindings.TableFunctionSetBind(f, unsafe.Pointer(C.tidemarkBind))
	bindings.TableFunctionSetInit(f, unsafe.Pointer(C.tidemarkInit))
	bindings.TableFunctionSetLocalInit(f, unsafe.Pointer(C.tidemarkLocal))
	bindings.TableFunctionSetFunction(f, unsafe.Pointer(C.tidemarkScan))
	if bindings.RegisterTableFunction(c.duck, f) == bindings.StateError {
		panic("D3: duckdb refuses the scan function") // its arguments are constants
	}
	bindings.AddReplacementScan(e.duck, unsafe.Pointer(C.tidemarkReplace), nil, nil)
}

//export tidemarkReplace
func tidemarkReplace(infoPtr unsafe.Pointer, name *C.char, _ unsafe.Pointer) {
	info := bindings.ReplacementScanInfo{Ptr: infoPtr}
	v := bindings.CreateVarchar(C.GoString(name))
	defer bindings.DestroyValue(&v)
	bindings.ReplacementScanSetFunctionName(info, scanFunction)
	bindings.ReplacementScanAddParameter(info, v)
}

//export tidemarkBind
func tidemarkBind(infoPtr unsafe.Pointer) {
	info := bindings.BindInfo{Ptr: infoPtr}
	var s *session
	defer func() {
		if err := caught(recover(), s); err != nil {
			bindings.BindSetError(info, err.Error())
		}
	}()
	e := unbox[*engine](bindings.BindGetExtraInfo(info))
	var ctx bindings.ClientContext
	bindings.TableFunctionGetClientContext(info, &ctx)
	id := uint64(bindings.ClientContextGetConnectionId(ctx))
	bindings.DestroyClientContext(&ctx)
	arg := bindings.BindGetParameter(info, 0)
	name := bindings.GetVarchar(arg)
	bindings.DestroyValue(&arg)
	s = e.session(id)
	t, err := s.table(name)
	if err != nil {
		bindings.BindSetError(info, err.Error())
		return
	}
	for i, f := range t.Schema.Fields() {
		bindings.BindAddResultColumn(info, f.Name, t.types[i])
	}
	bindings.BindSetCardinality(info, bindings.IdxT(max(t.Rows, 0)), false)
	bindings.BindSetBindData(info, e.db.box(t), unsafe.Pointer(C.tidemarkUnbox))
}

//export tidemarkInit
func tidemarkInit(infoPtr unsafe.Pointer) {
	info := bindings.InitInfo{Ptr: infoPtr}
	t := unbox[*handed](bindings.InitGetBindData(info))
	defer func() {
		if err := caught(recover(), t.session); err != nil {
			bindings.InitSetError(info, err.Error())
		}
	}()
	ids := make([]uint64, bindings.InitGetColumnCount(info))
	for i := range ids {
		ids[i] = uint64(bindings.InitGetColumnIndex(info, bindings.IdxT(i)))
	}
	s, err := t.scan(ids)
	if err != nil {
		bindings.InitSetError(info, err.Error())
		return
	}
	bindings.InitSetMaxThreads(info, bindings.IdxT(s.threads))
	bindings.InitSetInitData(info, t.session.db.box(s), unsafe.Pointer(C.tidemarkUnbox))
}

//export tidemarkLocal
func tidemarkLocal(infoPtr unsafe.Pointer) {
	info := bindings.InitInfo{Ptr: infoPtr}
	t := unbox[*handed](bindings.InitGetBindData(info))
	bindings.InitSetInitData(info, t.session.db.box(new(cursor)), unsafe.Pointer(C.tidemarkUnbox))
}

//export tidemarkScan
func tidemarkScan(infoPtr, chunkPtr unsafe.Pointer) {
	info := bindings.FunctionInfo{Ptr: infoPtr}
	s := unbox[*scan](bindings.FunctionGetInitData(info))
	c := unbox[*cursor](bindings.FunctionGetLocalInitData(info))
	defer func() {
		if err := caught(recover(), s.table.session); err != nil {
			bindings.FunctionSetError(info, err.Error())
		}
	}()
	if err := s.fill(c, bindings.DataChunk{Ptr: chunkPtr}); err != nil {
		bindings.FunctionSetError(info, err.Error())
	}
}
