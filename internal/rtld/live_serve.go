package rtld

import "weld/native"

// What a package above this one offers loaded code by name, as dlopen and its kin are offered.

// Service is such a function. Failing is what it returns where a child of fork has no Go to answer it: false 0, true -1.
type Service struct {
	Serve   func(native.Upcall)
	Failing bool
}

// offers are the services of packages above, added before anything is loaded.
var offers = map[string]Service{}

// Offer has loaded code find a function: by a reference that nothing else defines, and by dlsym. It is for init functions.
func Offer(name string, s Service) { offers[name] = s }

// addOffers makes the thunks.
func (t *serviceTable) addOffers() error {
	for name, s := range offers {
		th, err := native.NewThunk(s.Serve)
		if err != nil {
			return err
		}
		if s.Failing {
			th.OnOrphan(native.OrphanFail())
		}
		t.add(name, th.Addr())
	}
	return nil
}

// Fail has dlerror tell the calling thread why a service has failed.
func Fail(u native.Upcall, text string) { setError(u, text) }

// SpaceOf returns the namespace of the code that has called a service.
func SpaceOf(u native.Upcall) *Namespace { return callerOf(u).space() }

// AtExit is called when the C library's exit has run the finalisers of all libraries.
var AtExit func()
